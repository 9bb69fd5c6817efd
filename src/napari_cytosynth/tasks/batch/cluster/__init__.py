"""Items on the workers of a Dask cluster: what is sent to them, and what is done there."""

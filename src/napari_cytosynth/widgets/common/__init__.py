"""What the dock widgets share: jobs in threads, model choice, image form, small parts."""

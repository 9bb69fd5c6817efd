"""Running a network on a real image: scaling, exact tiling, device and precision."""

"""What every ERP that speaks JSON needs: names that are paths, numbers that are never floats, patterns of what is sent."""

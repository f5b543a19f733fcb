"""What a stage that outsiders write to needs: throttling, limits, destinations that refuse."""

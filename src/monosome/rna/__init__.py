"""BetaRho: RNA sequence to 3D structure."""

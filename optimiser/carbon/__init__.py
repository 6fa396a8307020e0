"""Energy and carbon as values: what machines draw, what reaches them of it, what grids and factories emit."""

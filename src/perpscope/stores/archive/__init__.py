"""Every tick as Parquet, with a manifest to be trusted: `parquet` is the way in, `query` and `merge` the ways out."""

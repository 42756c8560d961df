"""What brings a photo into the references' frame: ``orientation`` (the eight ways up), ``local_features``."""

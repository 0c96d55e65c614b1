//! The end-to-end suite: one file per behaviour, one binary, so that it links once.

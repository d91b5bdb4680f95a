//! A reader and a writer over the older JSON ABI.

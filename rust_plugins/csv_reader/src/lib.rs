//! Reads CSV files into Arrow, in parallel.

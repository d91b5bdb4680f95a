//! The minimal reader of the earlier system's plugin guide, letter by letter: it gives the same two records for ever.

#[rustfmt::skip]
mod guide;

//! A plugin that misbehaves in every way that a host must survive.

//! The plugin guide's minimal reader, exactly as published, over the older JSON ABI.

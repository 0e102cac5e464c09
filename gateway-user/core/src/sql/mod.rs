//! SQL words that several protocols share.

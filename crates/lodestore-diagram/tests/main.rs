//! What every drawing must satisfy, for ten schemas and for random ones.

mod laws;
mod schemas;

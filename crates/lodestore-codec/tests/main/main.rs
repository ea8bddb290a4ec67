//! The public behaviour of the codecs: the peer's golden files, and laws.

mod blob_laws;
mod describe;
mod golden_blobs;
mod golden_metadata;
mod golden_npy;
mod golden_paths;

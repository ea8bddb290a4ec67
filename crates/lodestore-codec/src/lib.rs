//! Codecs: what a value becomes in a column or an object, and back.
//!
//! A [`Codec`] knows no store, so that many values are encoded at once and everything is tested
//! without one; all that is ever read is a file that a value names, piece by piece. A declared type such as `<blob@archive>` is [resolved](Registry::resolve)
//! to a [`Chain`], which encodes and decodes:
//!
//! ```text
//!              +-- in the table ---------------------------> column
//! value -> codec -> inner codec
//!              +-- in a store --> NewObject -- placed --> object, and JSON in the column
//! ```
//!
//! | type | takes | stores | gives back |
//! | --- | --- | --- | --- |
//! | [`<blob>`](blob), `<blob@>` | any value | the peer's packed form | the value |
//! | [`<attach>`](attach), `<attach@>` | a file | name and content | the file |
//! | [`<hash@>`](HashCodec) | bytes | the bytes | the bytes |
//! | [`<npy@>`](npy) | arrays | a `.npy` file | a reference, sliced at the store |
//! | [`<object@>`](object) | bytes, files, folders | what they hold | a reference |
//! | [`<filepath@>`](filepath) | a path in the store | nothing | a reference |
//!
//! [`path`] says where objects lie, [`hash`] how content is named and checked, [`manifest`] what a
//! stored folder holds. Placing, transfer and journals are left to others.

pub mod attach;
pub mod blob;
mod codec;
mod cores;
mod deflate;
pub mod filepath;
pub mod hash;
mod hash_codec;
mod key_text;
mod layout;
mod local;
pub mod manifest;
mod native_blob;
pub mod npy;
pub mod object;
pub mod path;
mod reference;
mod registry;
mod url;

pub use attach::AttachCodec;
pub use blob::BlobCodec;
pub use codec::{
    Addressing, Codec, Context, Encoded, Inner, NewFolder, NewObject, Payload, Placed, PlacedFolder, Reads, Stored,
    TypeSpec,
};
pub use cores::on_all_cores;
pub use filepath::FilepathCodec;
pub use hash_codec::HashCodec;
pub use native_blob::NativeBlobCodec;
pub use npy::NpyCodec;
pub use object::ObjectCodec;
pub use reference::reference_of;
pub use registry::{Chain, Finder, Registry};
pub use url::local_path;

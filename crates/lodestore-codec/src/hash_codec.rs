//! `<hash@>`: bytes as they are, named by their content.
//!
//! Takes bytes and nothing else; equal content of one schema is stored once. Only in a store:
//! `<hash@>` or `<hash@store>`; `<blob@>` and `<attach@>` end here. The column's JSON has the
//! peer's keys `hash`, `path`, `schema`, `store`, `size`, and `checksum` behind them. Anyone can
//! read the object: it holds the bytes and no frame.

use lodestore_types::{CoreType, Error, ErrorKind, Result, Value};
use serde_json::{Map, Value as Json};

use crate::codec::{Addressing, Codec, Context, Encoded, Inner, NewObject, Payload, Placed, Reads, Stored};
use crate::hash::{content_hash_of, verify};

/// The codec `<hash@>`.
#[derive(Debug, Clone, Copy, Default)]
pub struct HashCodec;

impl Codec for HashCodec {
    fn name(&self) -> &str {
        "hash"
    }

    fn inner(&self, in_store: bool) -> Result<Inner> {
        match in_store {
            true => Ok(Inner::Core(CoreType::Json)),
            false => Err(Error::new(ErrorKind::InvalidDefinition, "`<hash>` requires @ (in-store storage only)")
                .with_hint("write `<hash@>` for the default store or `<hash@store>`")),
        }
    }

    fn reads(&self) -> Reads {
        Reads::Object
    }

    fn validate(&self, value: &Value) -> Result<()> {
        match value {
            Value::Bytes(_) => Ok(()),
            other => Err(expects_bytes(other)),
        }
    }

    fn encode(&self, value: Value, _: &Context) -> Result<Encoded> {
        let Value::Bytes(bytes) = value else { return Err(expects_bytes(&value)) };
        self.encode_payload(bytes.into(), &Context::default())
    }

    fn encode_payload(&self, payload: Payload, _: &Context) -> Result<Encoded> {
        Ok(Encoded::Object(NewObject { addressing: Addressing::Hash, payload, metadata: Map::new() }))
    }

    fn column(&self, object: &NewObject, placed: &Placed) -> Map<String, Json> {
        let mut column = Map::new();
        column.insert("hash".into(), placed.hash.clone().into());
        column.insert("path".into(), placed.path.as_str().into());
        column.insert("schema".into(), placed.schema.as_str().into());
        column.insert("store".into(), placed.store.as_str().into());
        column.insert("size".into(), placed.size.into());
        column.insert("checksum".into(), placed.checksum.as_str().into());
        column.extend(object.metadata.clone());
        column
    }

    /// The bytes, if they are still those that were stored.
    fn decode(&self, stored: Stored, _: &Context) -> Result<Value> {
        let Value::Json(Json::Object(column)) = &stored.value else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("`<hash@>` is stored as a JSON object, found {}", stored.value.type_name()),
            ));
        };
        let text = |key: &str| column.get(key).and_then(Json::as_str);
        let path = text("path").unwrap_or("?");
        let Some(bytes) = stored.object else {
            return Err(Error::new(ErrorKind::Internal, "the object was not read").with("path", path));
        };
        let Some(expected) = text("hash") else {
            return Err(Error::new(ErrorKind::Corrupt, "the column's JSON tells no `hash`").with("path", path));
        };
        if let Some(checksum) = text("checksum") {
            // It says more than MD5, for which two contents of one hash can be made.
            verify(&bytes, checksum).map_err(|error| error.with("path", path))?;
        } else {
            let found = content_hash_of(&bytes);
            if found != expected {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "hash mismatch: expected `{expected}`, got `{found}`, the data at `{path}` may be corrupted"
                    ),
                )
                .with_hint("restore the object from a backup, or insert the same content again"));
            }
        }
        Ok(Value::Bytes(bytes))
    }
}

fn expects_bytes(found: &Value) -> Error {
    Error::new(ErrorKind::InvalidType, format!("`<hash>` expects bytes, got {}", found.type_name()))
        .with_hint("use `<blob@>` for other values")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lodestore_types::StorePath;

    use super::*;
    use crate::hash::hash_and_checksum;

    fn placed(payload: &Payload) -> Placed {
        let (hash, checksum) = hash_and_checksum(payload).unwrap();
        Placed {
            schema: "golden".into(),
            store: "main".into(),
            path: StorePath::new(format!("_hash/golden/{hash}")).unwrap(),
            size: payload.size(),
            checksum,
            hash: Some(hash),
        }
    }

    fn encoded(bytes: &'static [u8]) -> NewObject {
        match HashCodec.encode(Value::Bytes(Bytes::from(bytes)), &Context::default()).unwrap() {
            Encoded::Object(object) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_column_has_the_keys_of_the_peer_and_a_checksum() {
        let object = encoded(b"abc");
        let column = HashCodec.column(&object, &placed(&object.payload));
        let expected = "{\"hash\":\"saavbgb42jh3bvuwh56sryl7oi\",\"path\":\"_hash/golden/saavbgb42jh3bvuwh56sryl7oi\",\
                        \"schema\":\"golden\",\"store\":\"main\",\"size\":3,\"checksum\":\"sha256:ba7816bf8f01cfea414140de\
                        5dae2223b00361a396177a9cb410ff61f20015ad\"}";
        assert_eq!(Json::Object(column).to_string(), expected);
    }

    #[test]
    fn damage_is_seen_with_and_without_a_checksum() {
        let object = encoded(b"abc");
        let mut column = HashCodec.column(&object, &placed(&object.payload));
        let decode = |column: &Map<String, Json>, bytes: &'static [u8]| {
            let stored = Stored { value: Value::Json(column.clone().into()), object: Some(Bytes::from(bytes)) };
            HashCodec.decode(stored, &Context::default())
        };
        assert_eq!(decode(&column, b"abc").unwrap(), Value::Bytes(Bytes::from("abc")));
        assert_eq!(decode(&column, b"abd").unwrap_err().kind(), ErrorKind::Corrupt);
        column.remove("checksum");
        assert_eq!(decode(&column, b"abc").unwrap(), Value::Bytes(Bytes::from("abc")));
        assert!(decode(&column, b"").unwrap_err().message().starts_with("hash mismatch: expected `saavbgb"));
    }

    #[test]
    fn only_bytes_and_only_in_a_store() {
        assert_eq!(HashCodec.validate(&Value::from("x")).unwrap_err().message(), "`<hash>` expects bytes, got text");
        assert_eq!(HashCodec.inner(false).unwrap_err().kind(), ErrorKind::InvalidDefinition);
    }
}

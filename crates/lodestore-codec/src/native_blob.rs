//! Native blob columns (`longblob` and its relatives) as programs for DataJoint before 2.0 use them.
//!
//! There such a column held packed values. Here it takes any value and packs it, except bytes, which go in as they are;
//! what looks packed is unpacked, and everything else is bytes. So both kinds of programs find what they put in.

use lodestore_types::{CoreType, Result, Value};

use crate::blob::BlobCodec;
use crate::codec::{Codec, Context, Encoded, Inner, Stored};

/// How a packed value begins: uncompressed for MATLAB, uncompressed, compressed.
const PACKED: [&[u8]; 3] = [b"mYm\0", b"dj0\0", b"ZL123\0"];

/// The codec of native blob columns. No definition names it: it comes with the setting `legacy`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeBlobCodec;

impl Codec for NativeBlobCodec {
    fn name(&self) -> &str {
        "longblob"
    }

    fn inner(&self, _: bool) -> Result<Inner> {
        Ok(Inner::Core(CoreType::Bytes))
    }

    fn validate(&self, value: &Value) -> Result<()> {
        match value {
            Value::Bytes(_) => Ok(()),
            other => BlobCodec.validate(other),
        }
    }

    fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        match value {
            Value::Bytes(_) => Ok(Encoded::Value(value)),
            other => BlobCodec.encode(other, context),
        }
    }

    fn decode(&self, stored: Stored, context: &Context) -> Result<Value> {
        match &stored.value {
            Value::Bytes(bytes) if PACKED.iter().any(|head| bytes.starts_with(head)) => {
                BlobCodec.decode(stored, context)
            }
            _ => Ok(stored.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Registry, TypeSpec};

    #[test]
    fn values_are_packed_and_bytes_are_not() {
        let mut registry = Registry::new();
        registry.register(std::sync::Arc::new(NativeBlobCodec)).unwrap();
        let chain = registry.resolve(&TypeSpec::parse("<longblob>").unwrap()).unwrap();
        let context = Context::default();
        let encode = |value: Value| match chain.encode(value, &context).unwrap() {
            Encoded::Value(column) => column,
            other => panic!("{other:?}"),
        };
        for value in [Value::from("text"), Value::List(vec![1.into(), 2.5.into()]), vec![1u8, 2].into(), Value::Int(7)]
        {
            let column = encode(value.clone());
            assert!(matches!(column, Value::Bytes(_)));
            assert_eq!(chain.decode(column, None, &context).unwrap(), value);
        }
        assert_eq!(encode(vec![1u8, 2].into()), vec![1u8, 2].into());
    }
}

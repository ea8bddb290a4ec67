//! Writing JSON documents as the values they stand for.

use lodestore_types::{BigInt, Value};
use serde_json::Value as Json;

use super::codes;
use super::refusal::{Packed, Refusal, name_step};
use super::write::Writer;

impl Writer {
    /// A JSON document, as the dicts, lists and scalars that it stands for.
    pub(super) fn json(&mut self, json: &Json) -> Packed {
        self.require_dj0();
        self.deeper()?;
        match json {
            Json::Null => self.put(&[codes::NULL]),
            Json::Bool(value) => self.put(&[codes::BOOL, u8::from(*value)]),
            Json::String(text) => self.counted(codes::TEXT, text.as_bytes()),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), ..) => self.simple(&Value::Int(value))?,
                (_, Some(value), _) => self.simple(&Value::BigInt(BigInt::from(value)))?,
                (.., Some(value)) => self.float(value),
                _ => return Err(Refusal::of_value(format!("the number {number} cannot be packed"))),
            },
            Json::Array(items) => {
                self.put(&[codes::LIST]);
                self.count(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.sized(|writer| writer.json(item))
                        .map_err(|refusal| refusal.within(|| format!("[{index}]")))?;
                }
            }
            Json::Object(pairs) => {
                self.put(&[codes::DICT]);
                self.count(pairs.len());
                for (key, value) in pairs {
                    self.sized(|writer| {
                        writer.counted(codes::TEXT, key.as_bytes());
                        Ok(())
                    })?;
                    self.sized(|writer| writer.json(value)).map_err(|refusal| refusal.within(|| name_step(key)))?;
                }
            }
        }
        self.shallower();
        Ok(())
    }
}

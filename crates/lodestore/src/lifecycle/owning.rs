//! Which attributes own objects, and of what kind.

use lodestore_sql::Attribute;
use lodestore_sql::journal::Owned;
use lodestore_types::CoreType;

use crate::Instance;

/// An attribute whose values own objects in a store.
#[derive(Debug, Clone)]
pub(crate) struct Owning {
    pub(crate) column: String,
    pub(crate) owned: Owned,
}

impl Owning {
    /// `None` if the values of an attribute own nothing.
    pub(crate) fn of(instance: &Instance, attribute: &Attribute) -> Option<Self> {
        let codec = attribute.kind.codec.as_deref().filter(|_| attribute.kind.core == CoreType::Json)?;
        let owned = match instance.chain(codec) {
            Ok(chain) => {
                chain.store()?;
                match chain.codecs().last()?.name() {
                    "filepath" => return None,
                    "hash" | "npy" => Owned::Files,
                    "object" => Owned::AsTold,
                    _ => Owned::Trees,
                }
            }
            // Whoever knows the codec may be another program; what it stored is told by its path.
            Err(_) if codec.contains('@') => Owned::Trees,
            Err(_) => return None,
        };
        Some(Owning { column: attribute.name.clone(), owned })
    }
}

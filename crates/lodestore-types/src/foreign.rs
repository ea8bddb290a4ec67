//! Objects of another language, which only their own codec understands.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{Result, Value};

/// An object of another language on its way to or from a codec of that language.
///
/// It is kept as it is: the core passes it on, and asks for [a value](Foreign::to_value) only where
/// somebody else needs one.
#[derive(Clone)]
pub struct Foreign(Arc<dyn ForeignObject>);

/// What the core can ask of such an object.
pub trait ForeignObject: Any + Send + Sync {
    /// The value that it stands for.
    ///
    /// # Errors
    /// [`InvalidType`](crate::ErrorKind::InvalidType) or
    /// [`InvalidValue`](crate::ErrorKind::InvalidValue) if there is none.
    fn to_value(&self) -> Result<Value>;

    /// The name of its class, for messages.
    fn class_name(&self) -> String;
}

impl Foreign {
    /// Takes an object along.
    pub fn new(object: impl ForeignObject) -> Self {
        Foreign(Arc::new(object))
    }

    /// The object, for those who know what it is.
    pub fn downcast<T: ForeignObject>(&self) -> Option<&T> {
        (&*self.0 as &dyn Any).downcast_ref()
    }

    /// The value that it stands for.
    ///
    /// # Errors
    /// Those of [`ForeignObject::to_value`].
    pub fn to_value(&self) -> Result<Value> {
        self.0.to_value()
    }
}

impl PartialEq for Foreign {
    /// The same object, not an equal one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0.class_name())
    }
}

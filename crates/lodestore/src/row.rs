//! Rows: values under names.

use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, Result, Value};

/// One row, or one key: values under the names of attributes, in order.
///
/// Rows of one result share their names, so that a row costs its values and one pointer.
///
/// ```
/// use lodestore::row;
///
/// let row = row! { "subject_id" => 7, "species" => "mouse" };
/// assert_eq!(row.get("subject_id"), Some(&7.into()));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row of values under `names`; both must be equally many.
    pub(crate) fn new(names: Arc<[String]>, values: Vec<Value>) -> Self {
        debug_assert_eq!(names.len(), values.len());
        Row { names, values }
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|index| &self.values[index])
    }

    /// Like [`Row::get`], with an error for a name that is not there.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`].
    pub fn value(&self, name: &str) -> Result<&Value> {
        self.get(name).ok_or_else(|| {
            Error::new(ErrorKind::UnknownAttribute, format!("the row has no attribute `{name}`"))
                .with_hint(format!("it has {}", self.names.join(", ")))
        })
    }

    /// This row with one more value, which replaces one of the same name.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        match self.position(name) {
            Some(index) => self.values[index] = value.into(),
            None => {
                self.names = self.names.iter().cloned().chain([name.to_owned()]).collect();
                self.values.push(value.into());
            }
        }
        self
    }

    /// The names in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn shared_names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// The values in order.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }

    pub(crate) fn into_values(self) -> Vec<Value> {
        self.values
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

impl<N: Into<String>> FromIterator<(N, Value)> for Row {
    /// A later value replaces an earlier one of the same name.
    fn from_iter<T: IntoIterator<Item = (N, Value)>>(pairs: T) -> Self {
        let mut map = indexmap::IndexMap::new();
        map.extend(pairs.into_iter().map(|(name, value)| (name.into(), value)));
        let (names, values): (Vec<String>, Vec<Value>) = map.into_iter().unzip();
        Row { names: names.into(), values }
    }
}

/// Makes a [`Row`] of names and values: `row! { "subject_id" => 7, "species" => "mouse" }`.
#[macro_export]
macro_rules! row {
    ($($name:expr => $value:expr),* $(,)?) => {
        <$crate::Row as ::std::iter::FromIterator<(&str, $crate::Value)>>::from_iter([
            $(($name, $crate::Value::from($value))),*
        ])
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_ordered() {
        let row = row! { "b" => 1, "a" => "x", "b" => 2 }.with("c", true).with("a", "y");
        assert_eq!(row.names(), ["b", "a", "c"]);
        assert_eq!(row.values(), [2.into(), "y".into(), true.into()]);
        assert_eq!(row.value("z").unwrap_err().kind(), ErrorKind::UnknownAttribute);
    }
}

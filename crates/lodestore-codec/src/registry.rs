//! Which codecs there are, and how they chain down to a column.
//!
//! A [`Registry`] maps names to codecs; [`Registry::resolve`] follows a declared type such as
//! `<blob@archive>` through the codecs that it chains to (`blob`, then `hash`) until a core type
//! is reached, and gives the [`Chain`] that encodes and decodes.
//!
//! ```
//! use lodestore_codec::{Context, Encoded, Registry, TypeSpec};
//! use lodestore_types::{CoreType, Value};
//!
//! let chain = Registry::builtin().resolve(&TypeSpec::parse("<blob>")?)?;
//! assert_eq!(chain.core_type(), &CoreType::Bytes);
//! let Encoded::Value(column) = chain.encode(Value::from("hello"), &Context::default())? else { unreachable!() };
//! assert_eq!(chain.decode(column, None, &Context::default())?, Value::from("hello"));
//! # Ok::<(), lodestore_types::Error>(())
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lodestore_types::{CoreType, Error, ErrorKind, Payload, Result, Value, nearest};
use serde_json::{Map, Value as Json};

use crate::attach::AttachCodec;
use crate::blob::BlobCodec;
use crate::codec::{
    Codec, Context, Encoded, Inner, NewFolder, NewObject, Placed, PlacedFolder, Reads, Stored, TypeSpec,
};
use crate::filepath::FilepathCodec;
use crate::hash_codec::HashCodec;
use crate::npy::NpyCodec;
use crate::object::ObjectCodec;

/// The codecs by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    codecs: BTreeMap<String, Arc<dyn Codec>>,
}

/// What one codec hands to the next.
enum Carried {
    Value(Value),
    Payload(Payload),
}

/// Looks elsewhere for a codec that is not registered.
pub type Finder<'a> = dyn Fn(&str) -> Result<Option<Arc<dyn Codec>>> + 'a;

/// The codecs between a value and its column, outermost first.
///
/// A chain never changes after it was resolved, and many threads may use it at once.
#[derive(Debug, Clone)]
pub struct Chain {
    /// There is at least one.
    codecs: Vec<Arc<dyn Codec>>,
    innermost: Arc<dyn Codec>,
    core: CoreType,
    store: Option<String>,
}

impl Registry {
    /// A registry without codecs.
    pub fn new() -> Self {
        Registry::default()
    }

    /// A registry of the codecs that come with this crate.
    pub fn builtin() -> Self {
        let builtin: [Arc<dyn Codec>; 6] = [
            Arc::new(AttachCodec),
            Arc::new(BlobCodec),
            Arc::new(FilepathCodec),
            Arc::new(HashCodec),
            Arc::new(NpyCodec),
            Arc::new(ObjectCodec),
        ];
        Registry { codecs: builtin.into_iter().map(|codec| (codec.name().to_owned(), codec)).collect() }
    }

    /// Adds a codec under its own name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the name is taken, empty, or could not stand between angle brackets.
    pub fn register(&mut self, codec: Arc<dyn Codec>) -> Result<()> {
        let name = codec.name();
        if name.is_empty() || name.trim() != name || name.contains(['<', '>', '@']) || name.contains(char::is_control) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("`{}` cannot name a codec", name.escape_debug()),
            )
            .with_hint("use a word without `<`, `>`, `@` and outer blanks"));
        }
        if self.codecs.contains_key(name) {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("codec `{name}` is already registered"))
                .with_hint("choose another name, or unregister the codec that has it"));
        }
        self.codecs.insert(name.to_owned(), codec);
        Ok(())
    }

    /// Takes a codec out; `None` if it was not there. Chains that were resolved before keep it.
    pub fn unregister(&mut self, name: &str) -> Option<Arc<dyn Codec>> {
        self.codecs.remove(name)
    }

    /// The codec of this name.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownCodec`], with the nearest name and the list of all in the hint.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Codec>> {
        self.codecs.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            let guess = nearest(name, known.iter().copied())
                .map_or(String::new(), |guess| format!("did you mean `<{guess}>`? "));
            let list = known.iter().map(|name| format!("`<{name}>`")).collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::UnknownCodec, format!("codec `<{}>` is not registered", name.escape_debug()))
                .with_hint(format!("{guess}known codecs: {list}"))
        })
    }

    /// The names of all codecs, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.codecs.keys().map(String::as_str)
    }

    /// Follows a declared type through its codecs to a core type.
    ///
    /// An inner codec without a store name, or with an empty one, works in the store of the outer.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownCodec`]; [`ErrorKind::InvalidDefinition`] if a codec does not work in
    /// the place where it stands, or if codecs chain in a circle.
    pub fn resolve(&self, spec: &TypeSpec) -> Result<Chain> {
        self.resolve_with(spec, &|_| Ok(None))
    }

    /// Like [`Registry::resolve`]; `find` is asked for names that nobody registered here.
    ///
    /// # Errors
    /// As [`Registry::resolve`], and those of `find`.
    pub fn resolve_with(&self, spec: &TypeSpec, find: &Finder<'_>) -> Result<Chain> {
        let mut codecs: Vec<Arc<dyn Codec>> = Vec::new();
        let mut next = spec.clone();
        loop {
            if codecs.iter().any(|codec| codec.name() == next.codec) {
                let circle: Vec<_> = codecs.iter().map(|codec| codec.name()).chain([next.codec.as_str()]).collect();
                return Err(Error::new(
                    ErrorKind::InvalidDefinition,
                    format!("type `{spec}` chains codecs in a circle: {}", circle.join(" -> ")),
                )
                .with_hint("one of these codecs must store its values as a core type"));
            }
            let codec = match self.codecs.get(&next.codec) {
                Some(codec) => codec.clone(),
                None => match find(&next.codec)? {
                    Some(codec) => codec,
                    None => self.get(&next.codec)?,
                },
            };
            let inner = codec.inner(next.store.is_some())?;
            codecs.push(codec.clone());
            match inner {
                Inner::Core(core) => return Ok(Chain { codecs, innermost: codec, core, store: next.store }),
                Inner::Codec(inner) => {
                    let named = inner.store.filter(|store| !store.is_empty() || next.store.is_none());
                    next = TypeSpec { codec: inner.codec, store: named.or(next.store) };
                }
            }
        }
    }
}

impl Chain {
    /// The codecs, outermost first.
    pub fn codecs(&self) -> &[Arc<dyn Codec>] {
        &self.codecs
    }

    /// The type of the column.
    pub fn core_type(&self) -> &CoreType {
        &self.core
    }

    /// The store as the declaration names it: `None` in the table, an empty text for the default store.
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// What reading a value takes: what the innermost codec reads.
    pub fn reads(&self) -> Reads {
        self.innermost.reads()
    }

    /// True if reading a value is to tell the codecs the key of its row.
    pub fn wants_key(&self) -> bool {
        self.codecs.iter().any(|codec| codec.wants_key())
    }

    /// About how many bytes of memory encoding a value takes: what the outermost codec says.
    pub fn weight(&self, value: &Value) -> usize {
        self.codecs[0].weight(value)
    }

    /// Refuses a value that the outermost codec cannot encode.
    ///
    /// [`Chain::encode`] refuses the same and more, and can name the attribute: an insert needs only that.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidType`] or [`ErrorKind::InvalidValue`].
    pub fn validate(&self, value: &Value) -> Result<()> {
        match value {
            Value::Foreign(object) if !self.codecs[0].takes_foreign() => self.codecs[0].validate(&object.to_value()?),
            value => self.codecs[0].validate(value),
        }
    }

    /// Translates a value (never NULL) to the column's value, or to an object that is to be placed;
    /// the column of an object is made by [`Chain::column`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidType`] or [`ErrorKind::InvalidValue`] if a codec refuses the value;
    /// [`ErrorKind::User`] if a codec gives what its own declaration rules out.
    pub fn encode(&self, value: Value, context: &Context) -> Result<Encoded> {
        let mut carried = Carried::Value(value);
        for (index, codec) in self.codecs.iter().enumerate() {
            let encoded = match carried {
                Carried::Payload(payload) => codec.encode_payload(payload, context),
                Carried::Value(Value::Foreign(object)) if !codec.takes_foreign() => {
                    object.to_value().and_then(|value| codec.encode(value, context))
                }
                Carried::Value(value) => codec.encode(value, context),
            };
            match encoded.map_err(|error| error.with("codec", codec.name()))? {
                Encoded::Value(value) => carried = Carried::Value(value),
                Encoded::Payload(payload) => carried = Carried::Payload(payload),
                made @ (Encoded::Object(_) | Encoded::Folder(_) | Encoded::UserPath(_)) => {
                    let last = index + 1 == self.codecs.len();
                    if !last || self.core != CoreType::Json || self.store.is_none() {
                        return Err(Error::new(
                            ErrorKind::User,
                            format!("codec `{}` made an object where it declared to make a value", codec.name()),
                        )
                        .with_hint("a codec that makes objects has the inner type `json` and stands in a store"));
                    }
                    return Ok(made);
                }
            }
        }
        let value = match carried {
            Carried::Payload(payload) => Value::Bytes(payload.into_bytes()?),
            Carried::Value(Value::Foreign(object)) => object.to_value()?,
            Carried::Value(value) => value,
        };
        let column = self.core.check(value).map_err(|error| error.with("codec", self.innermost.name()))?;
        Ok(Encoded::Value(column))
    }

    /// The JSON of the column for a folder that [`Chain::encode`] gave, now that its place is known.
    pub fn folder_column(&self, folder: &NewFolder, placed: &PlacedFolder) -> Map<String, Json> {
        self.innermost.folder_column(folder, placed)
    }

    /// The JSON of the column for an object that [`Chain::encode`] gave, now that its place is known.
    pub fn column(&self, object: &NewObject, placed: &Placed) -> Map<String, Json> {
        self.innermost.column(object, placed)
    }

    /// Translates a column (never NULL), with the object if [`Chain::reads`] asks for it, back to the value.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] if what is stored is not what the codecs write.
    pub fn decode(&self, column: Value, object: Option<Bytes>, context: &Context) -> Result<Value> {
        self.decode_above(self.codecs.len(), Stored { value: column, object }, context)
    }

    /// Like [`Chain::decode`], from what the codec at `index` gave when it decoded.
    ///
    /// # Errors
    /// As [`Chain::decode`].
    pub fn decode_above(&self, index: usize, stored: Stored, context: &Context) -> Result<Value> {
        let mut stored = stored;
        for codec in self.codecs[..index].iter().rev() {
            let value = codec.decode(stored, context).map_err(|error| error.with("codec", codec.name()))?;
            stored = Stored { value, object: None };
        }
        Ok(stored.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Link {
        name: &'static str,
        inner: Inner,
    }

    impl Codec for Link {
        fn name(&self) -> &str {
            self.name
        }
        fn inner(&self, _: bool) -> Result<Inner> {
            Ok(self.inner.clone())
        }
        fn validate(&self, _: &Value) -> Result<()> {
            Ok(())
        }
        fn encode(&self, value: Value, _: &Context) -> Result<Encoded> {
            Ok(Encoded::Value(Value::Text(format!("{}({})", self.name, value.as_str().unwrap_or("?")))))
        }
        fn decode(&self, stored: Stored, _: &Context) -> Result<Value> {
            let text = stored.value.as_str().unwrap_or("");
            let inside = text.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('('));
            Ok(Value::from(inside.and_then(|rest| rest.strip_suffix(')')).unwrap_or("?")))
        }
    }

    fn registry(links: &[(&'static str, &str)]) -> Registry {
        let mut registry = Registry::new();
        for &(name, inner) in links {
            let inner = match CoreType::parse(inner).unwrap() {
                Some(core) => Inner::Core(core),
                None => Inner::Codec(TypeSpec::parse(inner).unwrap()),
            };
            registry.register(Arc::new(Link { name, inner })).unwrap();
        }
        registry
    }

    fn resolve(registry: &Registry, spec: &str) -> Result<Chain> {
        registry.resolve(&TypeSpec::parse(spec).unwrap())
    }

    #[test]
    fn chains_encode_inwards_and_decode_outwards() {
        let registry = registry(&[("graph", "<text@>"), ("text", "varchar(40)")]);
        let chain = resolve(&registry, "<graph>").unwrap();
        let column = chain.encode(Value::from("x"), &Context::default()).unwrap();
        assert_eq!(column, Encoded::Value(Value::from("text(graph(x))")));
        let value = chain.decode(Value::from("text(graph(x))"), None, &Context::default()).unwrap();
        assert_eq!(value, Value::from("x"));
    }

    #[test]
    fn the_column_type_has_the_last_word() {
        let registry = registry(&[("text", "varchar(7)")]);
        let chain = resolve(&registry, "<text>").unwrap();
        assert!(chain.encode(Value::from("x"), &Context::default()).is_ok());
        assert!(chain.encode(Value::from("xy"), &Context::default()).is_err());
    }

    #[test]
    fn an_unnamed_store_is_inherited() {
        let registry =
            registry(&[("a", "<b@>"), ("b", "<c>"), ("c", "json"), ("d", "<c@other>"), ("e", "<c@>"), ("f", "<c>")]);
        let store = |spec: &str| resolve(&registry, spec).unwrap().store().map(str::to_owned);
        assert_eq!(store("<a@main>"), Some("main".into()));
        assert_eq!(store("<a@>"), Some("".into()));
        assert_eq!(store("<a>"), Some("".into()), "the inner codec asks for the default store");
        assert_eq!(store("<d@main>"), Some("other".into()));
        assert_eq!(store("<e@main>"), Some("main".into()));
        assert_eq!(store("<f>"), None);
    }

    #[test]
    fn circles_are_told() {
        let registry = registry(&[("a", "<b>"), ("b", "<a>")]);
        let error = resolve(&registry, "<a>").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidDefinition);
        assert_eq!(error.message(), "type `<a>` chains codecs in a circle: a -> b -> a");
    }

    #[test]
    fn unknown_names_get_help_and_taken_names_are_refused() {
        let mut registry = registry(&[("text", "json"), ("graph", "json")]);
        let error = resolve(&registry, "<grahp@main>").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownCodec);
        assert_eq!(error.message(), "codec `<grahp>` is not registered");
        assert_eq!(error.hint(), Some("did you mean `<graph>`? known codecs: `<graph>`, `<text>`"));
        let twin = Arc::new(Link { name: "text", inner: Inner::Core(CoreType::Json) });
        assert_eq!(registry.register(twin.clone()).unwrap_err().message(), "codec `text` is already registered");
        assert!(registry.unregister("text").is_some());
        assert!(registry.register(twin).is_ok());
        assert!(registry.register(Arc::new(Link { name: "a@b", inner: Inner::Core(CoreType::Json) })).is_err());
    }
}

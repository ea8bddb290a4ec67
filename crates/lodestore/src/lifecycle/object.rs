//! An object as the journal names it, and what its path says of it.

use lodestore_codec::hash::is_content_hash;
use lodestore_codec::manifest;
use lodestore_types::{Error, ErrorKind, Result, StorePath};
use serde_json::{Value as Json, json};

/// An object in a store; or a folder of objects, with its manifest beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    /// The name of the store.
    pub(crate) store: String,
    pub(crate) path: StorePath,
    /// True if it may be a folder.
    pub(crate) tree: bool,
}

/// The paths by which a row or an intent names the file at a path: its own, first, those of the folders that it lies in,
/// and that of the folder whose manifest it is.
pub(super) fn owners(path: &str) -> impl Iterator<Item = &str> {
    // The first folder is a section of the store, which nobody names.
    let above = path.match_indices('/').skip(1).map(|(end, _)| &path[..end]);
    std::iter::once(path).chain(above).chain(path.strip_suffix(manifest::SUFFIX))
}

/// What a batch of intents names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    /// True if it is every hash path of the schema.
    pub(crate) all_hashes: bool,
    pub(crate) objects: Vec<Object>,
}

impl Named {
    pub(crate) fn to_json(&self) -> Json {
        let objects: Vec<Json> =
            self.objects.iter().map(|object| json!([object.store, object.path.as_str(), object.tree])).collect();
        json!({ "all_hashes": self.all_hashes, "objects": objects })
    }

    /// # Errors
    /// `Corrupt` for what no version that we know of wrote.
    pub(crate) fn from_json(json: &Json) -> Result<Self> {
        let strange = || {
            Error::new(ErrorKind::Corrupt, "the journal holds intents of a form that is not known here")
                .with_hint("a newer Lodestore may have written them: nothing is deleted until you use that")
        };
        let all_hashes = json["all_hashes"].as_bool().ok_or_else(strange)?;
        let object = |entry: &Json| match entry.as_array().map(Vec::as_slice) {
            Some([Json::String(store), Json::String(path), Json::Bool(tree)]) => {
                Ok(Object { store: store.clone(), path: StorePath::new(path.as_str())?, tree: *tree })
            }
            _ => Err(strange()),
        };
        let objects = json["objects"].as_array().ok_or_else(strange)?.iter().map(object).collect::<Result<_>>()?;
        Ok(Named { all_hashes, objects })
    }
}

/// Which part of a store an object lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Section {
    /// Content, by its hash: the path of generation 0, and the generation.
    Hash(String, i64),
    /// Objects of one row each.
    Schema,
    /// Neither is for us to delete: files of users, other schemas, what other programs left.
    Foreign,
}

/// The sections of a store: the prefix of content, and that of objects of one row each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Prefixes {
    pub(crate) hash: String,
    pub(crate) schema: String,
}

/// Which section of a schema a path is in. The first prefixes are those that the store has; under the others, which it
/// had, users may keep files of their own by now, so only paths of our form are in a section.
pub(crate) fn section(prefixes: &[Prefixes], schema: &str, path: &StorePath) -> Section {
    for (at, prefixes) in prefixes.iter().enumerate() {
        match section_by(prefixes, schema, path) {
            Section::Foreign => {}
            _ if at > 0 && !is_like_ours(schema, path) => {}
            found => return found,
        }
    }
    Section::Foreign
}

/// True for a path that has the form of those that are made for objects of a schema, under whatever prefix.
pub(crate) fn is_like_ours(schema: &str, path: &StorePath) -> bool {
    let segments: Vec<&str> = path.segments().collect();
    let Some(at) = segments.iter().position(|segment| *segment == schema).filter(|at| *at > 0) else { return false };
    // `{attribute}.{token}{extension}` is ours, `{attribute}_{token}{extension}` DataJoint's.
    let is_token = |token: &str| {
        (4..=16).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let has_token = |name: &&str| {
        let stem = name.split('.').next().unwrap_or_default();
        let tokens = [name.split('.').nth(1), stem.rsplit_once('_').map(|(_, token)| token)];
        !name.contains('=') && tokens.into_iter().flatten().any(is_token)
    };
    let hash = path.file_name().split('.').next().unwrap_or_default();
    is_content_hash(hash) || segments.iter().skip(at + 2).any(has_token)
}

fn section_by(prefixes: &Prefixes, schema: &str, path: &StorePath) -> Section {
    let below = |prefix: &str| path.as_str().strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    if let Some(rest) = below(&prefixes.hash).filter(|_| !prefixes.hash.is_empty()) {
        let name = path.file_name();
        let (hash, generation) = match name.split_once('.') {
            Some((hash, number)) => (hash, number.parse::<i64>().ok().filter(|number| *number > 0)),
            None => (name, Some(0)),
        };
        let own = rest.strip_prefix(schema).is_some_and(|rest| rest.starts_with('/'));
        return match generation {
            Some(generation) if own && is_content_hash(hash) => {
                let base = &path.as_str()[..path.as_str().len() - name.len() + hash.len()];
                Section::Hash(base.to_owned(), generation)
            }
            _ => Section::Foreign,
        };
    }
    if let Some(rest) = below(&prefixes.schema).filter(|_| !prefixes.schema.is_empty()) {
        // A partitioned store puts some of the key in front.
        let mut segments = rest.split('/').skip_while(|segment| segment.contains('='));
        if segments.next() == Some(schema) && segments.next().is_some() {
            return Section::Schema;
        }
    }
    Section::Foreign
}

/// The path of a generation of a hash path.
///
/// # Errors
/// `InvalidName` if it becomes too long.
pub(crate) fn generation_path(base: &str, generation: i64) -> Result<StorePath> {
    match generation {
        0 => StorePath::new(base),
        _ => StorePath::new(format!("{base}.{generation}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Prefixes {
        Prefixes { hash: "_hash".into(), schema: "_schema".into() }
    }

    #[test]
    fn sections_are_told_by_whole_segments() {
        let of = |path: &str| section(&[usual()], "lab", &StorePath::new(path).unwrap());
        let hash = "abcdefghijklmnopqrstuvwxyz";
        let base = format!("_hash/lab/{hash}");
        assert_eq!(of(&base), Section::Hash(base.clone(), 0));
        assert_eq!(of(&format!("{base}.12")), Section::Hash(base.clone(), 12));
        let folded = format!("_hash/lab/ab/cd/{hash}");
        assert_eq!(of(&folded), Section::Hash(folded.clone(), 0));
        for path in ["_schema/lab/Scan/id=1/x.abc.npy", "_schema/day=1/rig=2/lab/Scan/x.npy"] {
            assert_eq!(of(path), Section::Schema, "{path}");
        }
        for path in [
            "_hash/laboratory/abcdefghijklmnopqrstuvwxyz",
            "_hash/lab/readme.txt",
            "_hash/lab/abcdefghijklmnopqrstuvwxyz.0",
            "_schema/laboratory/Scan/x.npy",
            "_schema/lab",
            "_schema/other/lab/x",
            "raw/lab/x",
            "_hashes/lab/x",
        ] {
            assert_eq!(of(path), Section::Foreign, "{path}");
        }
    }

    #[test]
    fn paths_of_our_form_are_told_from_files_of_users() {
        let like_ours = |path: &str| is_like_ours("lab", &StorePath::new(path).unwrap());
        for path in [
            "old/lab/abcdefghijklmnopqrstuvwxyz.2",
            "old/lab/ab/cd/abcdefghijklmnopqrstuvwxyz",
            "old/lab/Scan/id=1/trace.aB3-_x9Z.npy",
            "a/b/day=1/lab/Scan/id=1/trace.aB3-_x9Z",
            "old/lab/scan/id=1/trace_aB3dEfGh.npy",
        ] {
            assert!(like_ours(path), "{path}");
        }
        for path in ["raw/lab/readme.txt", "lab/Scan/trace.aB3-_x9Z.npy", "raw/session/a/movie.tiff", "raw/lab/a/x.md"]
        {
            assert!(!like_ours(path), "{path}");
        }
    }

    #[test]
    fn named_objects_come_back() {
        let object = |path: &str, tree| Object { store: "main".into(), path: StorePath::new(path).unwrap(), tree };
        let named = Named { all_hashes: true, objects: vec![object("a", true), object("é/\"b", false)] };
        assert_eq!(Named::from_json(&named.to_json()).unwrap(), named);
        for strange in [json!({}), json!({"all_hashes": false, "objects": [1]}), json!([])] {
            assert_eq!(Named::from_json(&strange).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}

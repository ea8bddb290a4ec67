//! What an interrupted run has found sound, kept in a file so that the next one need not look again.
//!
//! The file begins with a line of JSON, which says what was verified; behind it lie 16 bytes for each value that was
//! found sound. A program that is killed leaves at most one of these cut short, which is ignored.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use lodestore_types::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

/// The values found sound, here and in the file.
pub(super) struct Progress {
    path: PathBuf,
    file: File,
    sound: HashSet<u128>,
    seed: u64,
}

const VERSION: u64 = 1;

impl Progress {
    /// Goes on with the file, or begins it. `what` says what is verified, and must be the same in every run.
    ///
    /// # Errors
    /// `InvalidRequest` if it is the file of another verification, or none at all; `Storage` if it cannot be used.
    pub(super) fn open(path: &Path, what: &Json, seed: u64) -> Result<Self> {
        let fail = |cause| unusable(path, cause);
        let (sound, seed) = match File::open(path) {
            Ok(file) if file.metadata().map_err(fail)?.len() > 0 => read(path, file, what)?,
            Ok(_) => (None, seed),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => (None, seed),
            Err(cause) => return Err(fail(cause)),
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        let sound = match sound {
            Some((sound, whole)) => {
                file.set_len(whole).map_err(fail)?;
                sound
            }
            None => {
                writeln!(file, "{}", json!({"lodestore verify": VERSION, "of": what, "seed": seed})).map_err(fail)?;
                HashSet::new()
            }
        };
        Ok(Progress { path: path.to_owned(), file, sound, seed })
    }

    /// The seed of the sample that the first run drew.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn is_sound(&self, value: u128) -> bool {
        self.sound.contains(&value)
    }

    /// Remembers values that were found sound.
    pub(super) fn add(&mut self, values: &[u128]) -> Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(|cause| unusable(&self.path, cause))
    }

    /// Everything has been looked at: the next run begins anew.
    pub(super) fn finish(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|cause| unusable(&self.path, cause))
    }
}

/// The values in a file with the length of what is whole, and the seed.
type Found = (Option<(HashSet<u128>, u64)>, u64);

fn read(path: &Path, file: File, what: &Json) -> Result<Found> {
    let other = |why: &str| {
        Error::new(ErrorKind::InvalidRequest, format!("`{}` {why}", path.display()))
            .with_hint("name another file, or remove it to begin anew")
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).map_err(|cause| unusable(path, cause))?;
    let head: Json = serde_json::from_slice(&line).map_err(|_| other("is no file of an interrupted verification"))?;
    if head.get("lodestore verify").and_then(Json::as_u64) != Some(VERSION) {
        return Err(other("is no file of an interrupted verification that this version knows"));
    }
    if head.get("of") != Some(what) {
        return Err(other("belongs to another verification: of other tables, or with other options"));
    }
    let mut sound = HashSet::new();
    let mut whole = line.len() as u64;
    let mut record = [0; 16];
    while reader.read_exact(&mut record).is_ok() {
        sound.insert(u128::from_le_bytes(record));
        whole += record.len() as u64;
    }
    Ok((Some((sound, whole)), head.get("seed").and_then(Json::as_u64).unwrap_or_default()))
}

fn unusable(path: &Path, cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, format!("cannot use the file `{}` for the progress", path.display()))
        .with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_sound_is_known_again_and_a_torn_end_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let what = json!({"tables": ["lab.t"]});
        let mut progress = Progress::open(&path, &what, 7).unwrap();
        progress.add(&[1, 2]).unwrap();
        drop(progress);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        let mut progress = Progress::open(&path, &what, 8).unwrap();
        assert_eq!((progress.is_sound(2), progress.is_sound(3), progress.seed()), (true, false, 7));
        progress.add(&[3]).unwrap();
        drop(progress);
        assert!(Progress::open(&path, &what, 8).unwrap().is_sound(3));
        assert_eq!(Progress::open(&path, &json!({}), 8).err().unwrap().kind(), ErrorKind::InvalidRequest);
        Progress::open(&path, &what, 8).unwrap().finish().unwrap();
        assert!(!path.exists());
        fs::write(&path, "no such file\n").unwrap();
        assert_eq!(Progress::open(&path, &what, 8).err().unwrap().kind(), ErrorKind::InvalidRequest);
    }
}

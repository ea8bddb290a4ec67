//! Writing objects.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Payload, Result, Segment, StorePath, Uuid};
use object_store::path::Path;
use object_store::{Attribute, Attributes, CopyMode, CopyOptions, GetOptions, PutOptions, PutPayload, UpdateVersion};

use super::runtime::wait;
use super::store::{CloudStore, Live, again_and_again};
use super::upload::Upload;
use crate::{PutMode, PutOutcome};

/// The name of the metadata that tell which put wrote an object.
const WRITER: &str = "writer";
/// The name of the metadata that hold the checksum of the content.
const CHECKSUM: &str = "checksum";
/// How often a put is begun again after its answer was lost and it was not carried out.
const ATTEMPTS: u32 = 4;
/// So long, times the attempts, is waited between them.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) const DOING: &str = "write the object";

/// What identifies one put, in the metadata of the object that it writes.
struct Writer<'a> {
    token: String,
    /// The checksum of the content, if it is to be recorded.
    checksum: Option<&'a str>,
}

impl<'a> Writer<'a> {
    fn new(checksum: Option<&'a str>) -> Self {
        Writer { token: Uuid::new_v4().simple().to_string(), checksum }
    }

    fn attributes(&self) -> Attributes {
        let named = |name: &'static str, value: &str| (Attribute::Metadata(name.into()), value.to_owned());
        let checksum = self.checksum.map(|checksum| named(CHECKSUM, checksum));
        Attributes::from_iter([named(WRITER, &self.token)].into_iter().chain(checksum))
    }
}

impl CloudStore {
    pub(super) fn put_payload(
        &self,
        path: &StorePath,
        payload: &[Segment],
        mode: PutMode,
        checksum: Option<&str>,
    ) -> Result<PutOutcome> {
        let writer = Writer::new(checksum);
        let (live, key) = (self.live()?, self.key(path)?);
        let size: u64 = payload.iter().map(Segment::size).sum();
        if size <= 2 * self.transfer().part_of(size) {
            let _held = if payload.iter().any(|segment| matches!(segment, Segment::File(_))) {
                wait(async { Ok(live.memory(size).await) })?
            } else {
                None
            };
            let payload = self.in_memory(payload)?;
            return wait(self.put_small(&live, &key, payload, mode, &writer));
        }
        match mode {
            PutMode::Replace => self.put_large(&live, &key, payload, size, &writer),
            _ if wait(self.look(&live, &key))?.is_some() => Ok(PutOutcome::AlreadyThere),
            PutMode::Fill => self.put_large(&live, &key, payload, size, &writer),
            PutMode::Create => {
                // An upload in parts knows no condition, a copy does.
                let scratch = StorePath::new(format!(".lodestore/scratch-{}", Uuid::new_v4().simple()))?;
                let scratch = self.key(&scratch)?;
                let moved = self
                    .put_large(&live, &scratch, payload, size, &writer)
                    .and_then(|_| wait(self.create_from(&live, &scratch, &key)));
                wait(self.delete_one(&live, &scratch))?;
                moved
            }
        }
    }

    /// Writes an object by one request, or by as many as it takes to know that it was carried out.
    async fn put_small(
        &self,
        live: &Live,
        key: &Path,
        payload: PutPayload,
        mode: PutMode,
        writer: &Writer<'_>,
    ) -> Result<PutOutcome> {
        let mode = match mode {
            PutMode::Replace => object_store::PutMode::Overwrite,
            PutMode::Create | PutMode::Fill => object_store::PutMode::Create,
        };
        let mut attempt = 1;
        loop {
            let options = PutOptions { mode: mode.clone(), attributes: writer.attributes(), ..PutOptions::default() };
            let permit = live.request().await;
            let error = match live.client.put_opts(key, payload.clone(), options).await {
                Ok(_) => {
                    live.bucket_seen.store(true, Ordering::Relaxed);
                    return Ok(PutOutcome::Written);
                }
                Err(error) => error,
            };
            drop(permit);
            // The client tries again by itself: what is in the way may have been written by this very put.
            let taken = is_taken(&error);
            if !taken && !may_have_acted(&error) {
                return Err(self.fail(DOING, &error));
            }
            match self.written_by(live, key).await {
                Ok(Some(found)) if found.as_deref() == Some(&*writer.token) => return Ok(PutOutcome::Written),
                Ok(Some(_)) if mode == object_store::PutMode::Create => return Ok(PutOutcome::AlreadyThere),
                // It is not there, or the old one is. S3 refuses also while another writer's object is on its way.
                Ok(_) if attempt < ATTEMPTS => {
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                _ => return Err(self.fail(DOING, &error)),
            }
        }
    }

    /// Replaces an object if its content is still `expected`: what was read is named by its tag in the request that writes.
    pub(super) fn swap_small(&self, path: &StorePath, expected: &Bytes, new: Bytes) -> Result<bool> {
        let (live, key) = (self.live()?, self.key(path)?);
        wait(async {
            let permit = live.request().await;
            let found = match live.client.get_opts(&key, GetOptions::default()).await {
                Ok(found) => found,
                Err(object_store::Error::NotFound { .. }) => return Ok(false),
                Err(error) => return Err(self.fail("read the object", &error)),
            };
            let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
            if found.bytes().await.map_err(|error| self.fail("read the object", &error))? != *expected {
                return Ok(false);
            }
            let writer = Writer::new(None);
            let options = |mode| PutOptions { mode, attributes: writer.attributes(), ..PutOptions::default() };
            let update = options(object_store::PutMode::Update(version));
            let mut put = live.client.put_opts(&key, new.clone().into(), update).await;
            if matches!(put, Err(object_store::Error::NotImplemented { .. })) {
                put = live.client.put_opts(&key, new.into(), options(object_store::PutMode::Overwrite)).await;
            }
            drop(permit);
            match put {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) || may_have_acted(&error) => match self.written_by(&live, &key).await? {
                    Some(found) if found.as_deref() == Some(&*writer.token) => Ok(true),
                    _ if is_taken(&error) => Ok(false),
                    _ => Err(self.fail(DOING, &error)),
                },
                Err(object_store::Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(self.fail(DOING, &error)),
            }
        })
    }

    /// Writes an object in parts, over what is there.
    fn put_large(
        &self,
        live: &Live,
        key: &Path,
        payload: &[Segment],
        size: u64,
        writer: &Writer<'_>,
    ) -> Result<PutOutcome> {
        let mut upload = Upload::begin(self, live, key, writer.attributes(), self.transfer().part_of(size))?;
        for segment in payload {
            upload.write(segment)?;
        }
        let Err(error) = upload.finish()? else { return Ok(PutOutcome::Written) };
        match wait(self.written_by(live, key))? {
            Some(found) if found.as_deref() == Some(&*writer.token) => Ok(PutOutcome::Written),
            _ => Err(self.fail(DOING, &error)),
        }
    }

    /// Copies an object of ours to where nothing is yet. If the answer is lost, the copy may look like another's.
    async fn create_from(&self, live: &Live, from: &Path, to: &Path) -> Result<PutOutcome> {
        let _permit = live.request().await;
        let options = || CopyOptions::new().with_mode(CopyMode::Create);
        match again_and_again(|| live.client.copy_opts(from, to, options())).await {
            Ok(()) => Ok(PutOutcome::Written),
            Err(error) if is_taken(&error) => Ok(PutOutcome::AlreadyThere),
            Err(error) => Err(self.fail(DOING, &error)),
        }
    }

    /// Which put wrote the object, if it tells; `None` if there is none.
    async fn written_by(&self, live: &Live, key: &Path) -> Result<Option<Option<String>>> {
        self.metadata(live, key, WRITER).await
    }

    /// The checksum that was recorded with an object.
    pub(super) fn checksum_of(&self, path: &StorePath) -> Result<Option<String>> {
        let (live, key) = (self.live()?, self.key(path)?);
        Ok(wait(self.metadata(&live, &key, CHECKSUM))?.flatten())
    }

    /// A value of an object's metadata, if it has it; `None` if there is no object.
    async fn metadata(&self, live: &Live, key: &Path, name: &'static str) -> Result<Option<Option<String>>> {
        let _permit = live.request().await;
        let options = GetOptions { head: true, ..GetOptions::default() };
        match live.client.get_opts(key, options).await {
            Ok(found) => {
                let value = found.attributes.get(&Attribute::Metadata(name.into()));
                Ok(Some(value.map(|value| value.to_string())))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fail("read the metadata of the object", &error)),
        }
    }

    /// The segments without a copy, files read.
    fn in_memory(&self, payload: &[Segment]) -> Result<PutPayload> {
        let bytes = |segment: &Segment| match segment {
            Segment::Bytes(bytes) => Ok(bytes.clone()),
            file => Payload(vec![file.clone()]).into_bytes().map_err(|error| self.unreadable(error)),
        };
        let whole: Vec<Bytes> = payload.iter().map(bytes).collect::<Result<_>>()?;
        Ok(whole.into_iter().filter(|bytes| !bytes.is_empty()).collect())
    }

    pub(super) fn unreadable(&self, error: Error) -> Error {
        error.with("store", &self.opening.name)
    }
}

/// True if the path is taken, in the words of any store.
fn is_taken(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })
}

/// True if the request may have been carried out all the same.
fn may_have_acted(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { .. } | object_store::Error::JoinError { .. })
}

/// The error of a file that could not be read on its way into a store.
pub(super) fn reading(segment: &Segment, cause: std::io::Error) -> Error {
    let error = Error::new(ErrorKind::Storage, format!("cannot {DOING}: {cause}"));
    match segment {
        Segment::File(file) => error.with("file", file.path().display()),
        Segment::Bytes(_) => error,
    }
}

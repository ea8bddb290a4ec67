//! Large objects, written in parts.

use std::io;

use bytes::Bytes;
use lodestore_types::{Error, ErrorKind, Result, Segment};
use object_store::path::Path;
use object_store::{Attributes, MultipartUpload, PutMultipartOptions, PutPayload};
use tokio::task::JoinSet;

use super::put::{DOING, reading};
use super::runtime::{runtime, wait};
use super::store::{CloudStore, Live, again_and_again};

/// An upload in parts. Until it is finished nobody sees any of it; one that is dropped is given up.
pub(super) struct Upload<'a> {
    store: &'a CloudStore,
    live: &'a Live,
    upload: Option<Box<dyn MultipartUpload>>,
    tasks: JoinSet<object_store::Result<()>>,
    part_size: usize,
    /// The part that is being filled.
    chunks: Vec<Bytes>,
    filled: usize,
    /// How much of it was read from files, and so is memory of ours.
    read: u64,
}

impl<'a> Upload<'a> {
    pub(super) fn begin(
        store: &'a CloudStore,
        live: &'a Live,
        key: &Path,
        attributes: Attributes,
        part_size: u64,
    ) -> Result<Self> {
        let options = || PutMultipartOptions { attributes: attributes.clone(), ..PutMultipartOptions::default() };
        let upload = wait(async {
            let _permit = live.request().await;
            let begun = again_and_again(|| live.client.put_multipart_opts(key, options()));
            begun.await.map_err(|error| store.fail(DOING, &error))
        })?;
        Ok(Upload {
            store,
            live,
            upload: Some(upload),
            tasks: JoinSet::new(),
            part_size: usize::try_from(part_size).unwrap_or(usize::MAX),
            chunks: Vec::new(),
            filled: 0,
            read: 0,
        })
    }

    /// Sends a segment: memory without a copy, a file piece by piece.
    pub(super) fn write(&mut self, segment: &Segment) -> Result<()> {
        if let Segment::Bytes(bytes) = segment {
            return self.push(bytes.clone());
        }
        let mut fault = None;
        let read = segment.read_pieces(&mut |piece| {
            self.read += piece.len() as u64;
            self.push(Bytes::copy_from_slice(piece)).map_err(|error| {
                fault = Some(error);
                io::Error::other("the upload failed")
            })
        });
        match fault {
            Some(error) => Err(error),
            None => read.map_err(|cause| self.store.unreadable(reading(segment, cause))),
        }
    }

    fn push(&mut self, mut bytes: Bytes) -> Result<()> {
        while self.filled + bytes.len() >= self.part_size {
            let head = bytes.split_to(self.part_size - self.filled);
            self.chunks.push(head);
            self.send()?;
        }
        if !bytes.is_empty() {
            self.filled += bytes.len();
            self.chunks.push(bytes);
        }
        Ok(())
    }

    /// Sends the part that was filled, as soon as there is room for one more.
    fn send(&mut self) -> Result<()> {
        let part: PutPayload = std::mem::take(&mut self.chunks).into_iter().collect();
        let read = std::mem::take(&mut self.read).min(part.content_length() as u64);
        self.filled = 0;
        self.collect(false)?;
        let Some(upload) = self.upload.as_mut() else { return Ok(()) };
        // In this order everywhere: whoever may make a request never waits for memory.
        let permits = wait(async { Ok((self.live.memory(read).await, self.live.request().await)) })?;
        let sent = upload.put_part(part);
        let task = async move {
            let outcome = sent.await;
            drop(permits);
            outcome
        };
        self.tasks.spawn_on(task, &runtime()?);
        Ok(())
    }

    /// Sees how the parts went: those that have arrived, or all.
    fn collect(&mut self, all: bool) -> Result<()> {
        let store = self.store;
        let check = |joined| match joined {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(store.fail(DOING, &error)),
            Err(error) => Err(Error::new(ErrorKind::Internal, "the upload of a part ended early").with_source(error)),
        };
        if !all {
            while let Some(joined) = self.tasks.try_join_next() {
                check(joined)?;
            }
            return Ok(());
        }
        let tasks = &mut self.tasks;
        wait(async {
            while let Some(joined) = tasks.join_next().await {
                check(joined)?;
            }
            Ok(())
        })
    }

    /// Makes the object appear. The inner error leaves open whether it did.
    pub(super) fn finish(mut self) -> Result<object_store::Result<()>> {
        if self.filled > 0 {
            self.send()?;
        }
        self.collect(true)?;
        let Some(mut upload) = self.upload.take() else { return Ok(Ok(())) };
        let completed = wait(async {
            let _permit = self.live.request().await;
            Ok(upload.complete().await.map(drop))
        });
        if !matches!(completed, Ok(Ok(()))) {
            self.upload = Some(upload);
        }
        completed
    }
}

impl Drop for Upload<'_> {
    /// Parts that nobody will use are paid for until they are removed.
    fn drop(&mut self) {
        if let (Some(mut upload), Ok(runtime)) = (self.upload.take(), runtime()) {
            let mut tasks = std::mem::take(&mut self.tasks);
            runtime.spawn(async move {
                tasks.shutdown().await;
                let _ = upload.abort().await;
            });
        }
    }
}

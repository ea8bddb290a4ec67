//! A model of a store that takes the names of two keys for the same.
//!
//! Each of two keys has a row at most, with an object in a folder that is named by the key, under one of two tokens. The
//! store has one folder for both keys, and lists it under the name that was used first. The promise: a row's object is
//! there, and is its own.

use std::collections::HashSet;

/// The precautions, each with a switch; the default has all of them.
#[derive(Debug, Clone, Copy)]
pub struct FoldProtocol {
    /// Listings are compared with rows by the names of objects, not by those of folders.
    pub compares_names: bool,
    /// An object is written only where none is.
    pub creates_only: bool,
    /// An insert that was refused removes only what it has written.
    pub removes_own: bool,
}

impl Default for FoldProtocol {
    fn default() -> Self {
        FoldProtocol { compares_names: true, creates_only: true, removes_own: true }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct State {
    /// For each token, the key for which the file with it was written.
    files: [Option<u8>; 2],
    /// The key by which the folder is listed.
    folder: Option<u8>,
    /// For each key, the token that its row names.
    rows: [Option<u8>; 2],
}

/// The way to a state in which a row has lost its object; `None` if there is none.
pub fn explore_fold(protocol: FoldProtocol) -> Option<Vec<String>> {
    let mut seen = HashSet::from([State::default()]);
    let mut waiting = vec![(State::default(), Vec::new())];
    while let Some((state, way)) = waiting.pop() {
        let lost = |key: usize| state.rows[key].is_some_and(|token| state.files[usize::from(token)] != Some(key as u8));
        if lost(0) || lost(1) {
            return Some(way);
        }
        let mut next: Vec<(State, String)> = Vec::new();
        for key in 0..2u8 {
            for token in 0..2u8 {
                let (at, mut after) = (usize::from(token), state);
                if state.rows[usize::from(key)].is_none() && (state.files[at].is_none() || !protocol.creates_only) {
                    after.files[at] = Some(key);
                    after.folder = after.folder.or(Some(key));
                    after.rows[usize::from(key)] = Some(token);
                    next.push((after, format!("key {key} is inserted with token {token}")));
                } else if !protocol.removes_own {
                    after.files[at] = None;
                    next.push((after, format!("an insert of key {key} with token {token} is refused")));
                }
            }
            if let Some(token) = state.rows[usize::from(key)] {
                let mut after = state;
                after.files[usize::from(token)] = None;
                after.rows[usize::from(key)] = None;
                next.push((after, format!("key {key} is deleted")));
            }
        }
        let mut scanned = state;
        for token in 0..2u8 {
            let is_named = state
                .rows
                .iter()
                .zip(0..)
                .any(|(row, key)| *row == Some(token) && (protocol.compares_names || state.folder == Some(key)));
            if !is_named {
                scanned.files[usize::from(token)] = None;
            }
        }
        next.push((scanned, "a full collection deletes what no row names".into()));
        for (mut state, what) in next {
            if state.files == [None; 2] {
                state.folder = None;
            }
            if seen.insert(state) {
                waiting.push((state, [way.clone(), vec![what]].concat()));
            }
        }
    }
    None
}

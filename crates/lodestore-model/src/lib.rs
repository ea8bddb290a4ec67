//! A model of how Lodestore keeps rows and objects true to each other, explored exhaustively.
//!
//! It is a model of the protocol that `lodestore::lifecycle` carries out: writers that store and reuse hash-addressed
//! objects, collectors that delete what no row names, all of them stopped or killed between any two steps. [`Protocol`]
//! has a switch for every precaution, and [`explore`] visits every state that any interleaving leads to and looks for
//! one that breaks a promise ([`Broken`]). The tests show that the protocol keeps them all, and that it keeps them no
//! longer once any precaution is left out: so none of them is there in vain, and the model can fail.
//!
//! ```
//! use lodestore_model::{Cast, Protocol, explore};
//!
//! let cast = Cast { writers: 1, collectors: 1, objects: 1 };
//! assert!(explore(&Protocol::default(), cast).broken.is_none());
//! let careless = Protocol { second_look: false, ..Protocol::default() };
//! assert!(explore(&careless, cast).broken.is_some());
//! ```
//!
//! What is one step here is one transaction of the database or one request to the store there. A step of a process that
//! is gone may still arrive; the protocol waits for that (see [`Protocol::waits_for_the_slow`]).

mod explore;
mod protocol;
mod state;

pub use explore::{Outcome, explore, explore_for};
pub use protocol::{Broken, Condemned, LookOrder, Protocol, Settle};
pub use state::{Cast, State};

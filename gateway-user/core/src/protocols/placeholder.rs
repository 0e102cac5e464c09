//! Placeholders: what agents are given in a password's place, and what they show of it.
//!
//! A placeholder is a second proof and no identity: who acts is known from the kernel, and what was
//! given to one workload proves nothing for another. Codecs ask for it and read what is shown; who
//! issues placeholders, and until when, is the shell's, which has the clock and the list.

use serde::Deserialize;

use super::scram::Verifier;
use crate::ids::PlaceholderId;
use crate::secret::Secret;

/// Whether clients have to show a placeholder, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asking {
    /// They are asked for nothing.
    #[default]
    None,
    /// By SCRAM, which shows it to nobody.
    Scram,
    /// As it is, where the client's connection is encrypted; by SCRAM elsewhere.
    Password,
}

/// What a client has shown, for whoever knows which placeholders there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// As whom the client presented itself.
    pub user: String,
    /// What it showed.
    pub shown: Shown,
}

/// A placeholder, or a proof that one is known.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// A proof of SCRAM.
    Proof {
        /// What was said so far, which the proof is for.
        conversation: Vec<u8>,
        /// The proof.
        proof: [u8; 32],
    },
    /// The placeholder itself.
    Plain(Secret),
}

/// What was shown, made ready to be held against many verifiers.
#[derive(Debug)]
pub enum Ready<'a> {
    /// A proof.
    Proof(&'a [u8], [u8; 32]),
    /// What would be kept of it.
    Plain(Verifier),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// It is this placeholder, and the client may use it.
    Yes {
        /// Which.
        placeholder: PlaceholderId,
        /// What proves to the client that the gateway knows it too; none where it was shown as it is.
        signature: Option<[u8; 32]>,
    },
    /// It proves nothing, for a reason that only operators are told.
    No {
        /// Why.
        reason: String,
    },
}

impl Presented {
    /// Makes it ready. Where it was shown as it is that takes milliseconds, on purpose.
    pub fn ready(&self, salt: &[u8]) -> Ready<'_> {
        match &self.shown {
            Shown::Proof {
                conversation,
                proof,
            } => Ready::Proof(conversation, *proof),
            Shown::Plain(placeholder) => Ready::Plain(Verifier::of(placeholder.reveal(), salt)),
        }
    }
}

impl Ready<'_> {
    /// Whether it is the placeholder that `verifier` is for, and how that is told to the client.
    pub fn is_of(&self, verifier: &Verifier) -> Option<Option<[u8; 32]>> {
        match self {
            Self::Proof(conversation, proof) => verifier.check(conversation, *proof).map(Some),
            Self::Plain(shown) => shown.is_same(verifier).then_some(None),
        }
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // With a proof and what it is for the placeholder could be guessed at.
        f.write_str("Shown")
    }
}

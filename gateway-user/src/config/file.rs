//! The shape of the configuration file, as serde reads it.
//!
//! Values that can be wrong in a way that serde does not see keep their place in the file. What
//! they mean, and every default that depends on another value, is in `check`.

use std::path::PathBuf;

use gateway_core::policy::budget::BudgetSpec;
use gateway_core::policy::limit::LimitSpec;
use gateway_core::policy::model::{MaskSpec, Mode, RuleSpec, Tree};
use gateway_core::protocols;
use gateway_core::protocols::placeholder::Asking;
use serde::Deserialize;
use toml::Spanned;

use crate::notify::target::Kind;
use crate::tls::upstream;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) daemon: Daemon,
    #[serde(default)]
    pub(super) recording: Recording,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) dns: Dns,
    #[serde(default)]
    pub(super) workload: Vec<Workload>,
    #[serde(default)]
    pub(super) issuer: Vec<Issuer>,
    #[serde(default)]
    pub(super) resource: Vec<Resource>,
    #[serde(default)]
    pub(super) credential: Vec<Credential>,
    #[serde(default)]
    pub(super) approvers: Vec<Approvers>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleSpec>>,
    #[serde(default)]
    pub(super) budget: Vec<Spanned<BudgetSpec>>,
    #[serde(default)]
    pub(super) limit: Vec<Spanned<LimitSpec>>,
    #[serde(default)]
    pub(super) mask: Vec<Spanned<MaskSpec>>,
    #[serde(default)]
    pub(super) masking: Masking,
    #[serde(default)]
    pub(super) detector: Vec<Detector>,
    #[serde(default)]
    pub(super) notify: Vec<Notify>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Detector {
    pub(super) name: Spanned<String>,
    pub(super) socket: Spanned<PathBuf>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) deadline: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Masking {
    pub(super) key_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Daemon {
    pub(super) port: Option<Spanned<u16>>,
    pub(super) state: Option<Spanned<PathBuf>>,
    pub(super) runtime: Option<Spanned<PathBuf>>,
    pub(super) workers: Option<Spanned<usize>>,
    pub(super) user: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recording {
    pub(super) directory: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dns {
    pub(super) upstream: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) hosts_file: Option<Spanned<PathBuf>>,
    pub(super) types: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) queries_per_second: Option<Spanned<u32>>,
    pub(super) burst: Option<Spanned<u32>>,
    pub(super) names_per_minute: Option<Spanned<usize>>,
    pub(super) name_bytes: Option<Spanned<usize>>,
    pub(super) answer_bytes: Option<Spanned<usize>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workload {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) groups: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) units: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) cgroups: Vec<Spanned<String>>,
    pub(super) max_sessions: Option<Spanned<usize>>,
    pub(super) issuer: Option<Spanned<String>>,
    pub(super) identity_token: Option<Spanned<PathBuf>>,
    pub(super) require_identity: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) name: Spanned<String>,
    pub(super) url: Spanned<String>,
    pub(super) audience: Spanned<Vec<Spanned<String>>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) jwks_file: Option<Spanned<PathBuf>>,
    pub(super) algorithms: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) leeway: Option<Spanned<String>>,
    pub(super) keep_keys: Option<Spanned<String>>,
    pub(super) claims: Option<Spanned<Tree>>,
    pub(super) account: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) name: Spanned<String>,
    pub(super) protocol: Spanned<String>,
    pub(super) addresses: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) hosts: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) mode: Mode,
    pub(super) client_tls: Option<Spanned<ClientTls>>,
    pub(super) upstream: Option<Spanned<Upstream>>,
    pub(super) credential: Option<Spanned<String>>,
    pub(super) preview: Option<Spanned<Preview>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Preview {
    pub(super) user: Spanned<String>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) count: bool,
    #[serde(default)]
    pub(super) accept_unverified: bool,
    pub(super) timeout: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) tls: Option<Spanned<upstream::Mode>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) server_name: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    pub(super) name: Spanned<String>,
    pub(super) kind: Kind,
    pub(super) url: Option<Spanned<String>>,
    pub(super) url_file: Option<Spanned<PathBuf>>,
    pub(super) secret_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub(super) name: Spanned<String>,
    pub(super) user: Spanned<String>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) certificate_file: Option<Spanned<PathBuf>>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) accept_unverified: bool,
    #[serde(default)]
    pub(super) placeholder: Asking,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvers {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) users: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) groups: Vec<Spanned<String>>,
    pub(super) quorum: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) notify: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientTls {
    #[default]
    Accept,
    Refuse,
    Require,
}

impl From<ClientTls> for protocols::ClientTls {
    fn from(word: ClientTls) -> Self {
        match word {
            ClientTls::Accept => Self::Accept,
            ClientTls::Refuse => Self::Refuse,
            ClientTls::Require => Self::Require,
        }
    }
}

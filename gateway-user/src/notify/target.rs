//! `Target`: a webhook, as the configuration has it.
//!
//! The path of a webhook's address is a secret: whoever knows it can post there. So it is one in
//! `web` too, and no error tells it.

use std::sync::Arc;

use gateway_core::secret::Secret;
use rustls::ClientConfig;
use serde::Deserialize;

use crate::web::url::Url;

/// What language a target understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An incoming webhook of Slack: Block Kit
    /// (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>).
    Slack,
    /// A workflow or incoming webhook of Microsoft Teams: an Adaptive Card
    /// (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>).
    Teams,
    /// Anything that takes JSON; docs/approvals.md says what is in it and how it is signed.
    Generic,
}

/// Where notices go.
#[derive(Debug)]
pub struct Target {
    /// Its name in the configuration.
    pub name: String,
    /// What it understands.
    pub kind: Kind,
    /// Where it is.
    pub url: Url,
    /// How TLS is spoken with it; none for plain HTTP, which is for loopback only.
    pub tls: Option<Arc<ClientConfig>>,
    /// What `generic` messages are signed with.
    pub key: Option<Secret>,
}

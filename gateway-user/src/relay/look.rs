//! While something waits for people, the server is asked how much it would touch: beside the session, on a
//! connection of its own, and no longer than it waits. How is told in `preview`.

use std::sync::Arc;

use gateway_core::held::HeldAction;
use gateway_core::ids::RequestId;
use tokio::task::JoinHandle;

use super::Relay;
use super::dial::{Server, Way};
use super::preview::Previewer;
use crate::approvals::Approvals;
use crate::config::preview::Settings;
use crate::dialer::Ahead;

/// What is to be looked at, once it is known by which request.
#[derive(Debug)]
pub(super) struct Wish {
    previewer: Arc<Previewer>,
    settings: Arc<Settings>,
    server: Server,
    action: HeldAction,
}

/// A preview that is being made. Whoever drops it does not want it any more.
#[derive(Debug)]
pub(super) struct Looking(JoinHandle<()>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wish {
    /// Has it looked at, and tells the approvals.
    pub(super) fn look(self, approvals: &Approvals, request: &RequestId) -> Looking {
        let Self {
            previewer,
            settings,
            server,
            action,
        } = self;
        let (approvals, request) = (approvals.clone(), request.clone());
        Looking(tokio::spawn(async move {
            let preview = previewer.look(server, &settings, action).await;
            if let Err(error) = approvals.previewed(request, preview).await {
                tracing::warn!(%error, "a preview is not written down");
            }
        }))
    }
}

impl Relay<'_> {
    /// What is to be looked at of an action that waits, where its resource has previews.
    pub(super) fn wish(&self, action: &HeldAction) -> Option<Box<Wish>> {
        let config = Arc::clone(&self.around.config.borrow());
        let mut resources = config.resources.iter();
        let resource = resources.find(|it| it.name == action.resource)?;
        let settings = Arc::clone(&resource.preview.as_ref()?.settings);
        let way = Way {
            reach: self.route.way.reach,
            ahead: Ahead::default(),
        };
        // In a box: sessions are many, and those that wait are few.
        Some(Box::new(Wish {
            previewer: Arc::clone(&self.around.previewer),
            settings,
            server: Server {
                dialer: Arc::clone(&self.around.dialer),
                way,
                protocol: self.framed.protocol(),
                // Of the same configuration as the settings, which say what may be shown there.
                upstream: Arc::clone(&resource.upstream),
                name: self.server_name().map(str::to_owned),
            },
            action: action.clone(),
        }))
    }
}

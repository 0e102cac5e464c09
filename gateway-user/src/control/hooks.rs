//! Puts hooks on cgroups and takes them off, in the one order in which nobody slips through.
//!
//! On: log, table, hooks, then what was open before is closed. Off: hooks, table, then the
//! sessions that came through them. Who asks for it is in `operations`, `runs` and `follow`.

use std::os::unix::fs::MetadataExt;

use super::api::Detached;
use super::attachments::{Attachment, Purpose};
use super::operations::{OperationError, Operations};
use crate::kernel::{Cgroup, CgroupId, Closing, KernelError};
use crate::observe::enforcement::{self, Operator, What};

impl Operations {
    /// Makes table and hooks agree after a start: what an earlier daemon attached is covered
    /// again, what is gone is forgotten. Hooks of an unknown workload stay, and refuse.
    pub fn adopt(&self) -> Result<(), OperationError> {
        let _change = self.changing();
        self.forget_gone()?;
        // An earlier daemon's policy may have allowed more.
        self.allow_all_datagrams();
        for attachment in self.parts().attachments.all() {
            match self.adopt_one(&attachment) {
                Ok(()) => {
                    let (path, workload) = (attachment.path.display(), &attachment.workload);
                    tracing::info!(%path, %workload, "adopted an attachment");
                }
                // The others are not to suffer from this one. `status` shows it as damaged.
                Err(error) => {
                    let path = attachment.path.display();
                    tracing::error!(%path, %error, "cannot adopt");
                }
            }
        }
        Ok(())
    }

    fn adopt_one(&self, attachment: &Attachment) -> Result<(), OperationError> {
        let cgroup = self.parts().mount.at(&attachment.path)?;
        let was_whole = !self.parts().kernel.found_damaged(cgroup.id);
        if was_whole && self.is_covered(cgroup.id)? {
            return Ok(());
        }
        // Somebody took hooks away while no daemon ran.
        self.parts().kernel.attach(&cgroup)?;
        self.close_earlier(attachment.clone()).map(drop)
    }

    /// Forgets the attachments whose cgroups are gone.
    pub(super) fn forget_gone(&self) -> Result<(), OperationError> {
        for attachment in self.parts().attachments.all() {
            if is_gone(&attachment) {
                self.forget(&attachment)?;
            }
        }
        Ok(())
    }

    /// Forgets an attachment whose cgroup is gone.
    pub(super) fn forget(&self, attachment: &Attachment) -> Result<(), OperationError> {
        let detached = Detached {
            cgroup: attachment.cgroup,
            path: Some(attachment.path.clone()),
            workload: Some(attachment.workload.clone()),
            ended: self.parts().live.count_cgroup(attachment.cgroup),
            selector: attachment.selector.clone(),
        };
        // There is nobody left to be free, so a log that cannot be written stops nothing here.
        if let Err(error) = self.note(What::Detached(detached_line(&detached, None))) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
        self.drop_hooks(attachment.cgroup)
    }

    /// First the log, then the table, then the hooks: evidence before access, and no redirected
    /// connection without a workload. What was open before the hooks is closed when they are there;
    /// the attachment that is returned tells what this call closed.
    pub(super) fn put_hooks(
        &self,
        cgroup: &Cgroup,
        attachment: Attachment,
        by: Option<Operator>,
    ) -> Result<Attachment, OperationError> {
        self.note(What::Attached(enforcement::Attachment {
            workload: Some(attachment.workload.clone()),
            cgroup: attachment.path.display().to_string(),
            by,
            selector: attachment.selector.clone(),
            inside: self.around(cgroup, &attachment.workload),
        }))?;
        let is_new = self.parts().attachments.find(cgroup.id).is_none();
        let was_covered = self.is_covered(cgroup.id)?;
        self.parts().attachments.insert(attachment.clone())?;
        let attached = self.parts().kernel.attach(cgroup);
        if attached.is_err() && is_new {
            self.parts().attachments.remove(cgroup.id)?;
        }
        attached?;
        self.allow_datagrams(cgroup.id, &attachment.workload)?;
        // A run's cgroup was just made, so nothing was open in it.
        if was_covered || attachment.purpose == Purpose::Run {
            return Ok(Attachment {
                closing: Closing::default(),
                ..attachment
            });
        }
        self.close_earlier(attachment)
    }

    /// Closes what a cgroup opened while its hooks were not all there, and remembers what came of
    /// it.
    pub(super) fn close_earlier(
        &self,
        attachment: Attachment,
    ) -> Result<Attachment, OperationError> {
        let cgroup = Cgroup {
            id: attachment.cgroup,
            path: attachment.path.clone(),
        };
        let closing = self.parts().kernel.close_earlier(&cgroup)?;
        if closing.is_nothing() && attachment.closing.is_nothing() {
            return Ok(attachment);
        }
        tracing::info!(path = %cgroup.path.display(), ?closing, "closed what was open before");
        let attachment = Attachment {
            closing: closing.clone(),
            ..attachment
        };
        self.parts().attachments.insert(attachment.clone())?;
        self.note(What::ClosedEarlier {
            attachment: enforcement::Attachment {
                workload: Some(attachment.workload.clone()),
                cgroup: attachment.path.display().to_string(),
                by: None,
                selector: None,
                inside: None,
            },
            closed: closing.closed,
            cut_off: closing.cut_off,
            left: closing.left,
            problem: closing.problem,
        })?;
        Ok(attachment)
    }

    pub(super) fn is_covered(&self, id: CgroupId) -> Result<bool, OperationError> {
        let attached = self.parts().kernel.attached()?;
        Ok(attached
            .iter()
            .any(|one| one.id == id && one.dead.is_empty()))
    }

    /// The reverse: hooks, table, and then the sessions that came through them.
    pub(super) fn drop_hooks(&self, id: CgroupId) -> Result<(), OperationError> {
        // The counters go with the hooks. They are not worth leaving the hooks on for.
        if let Err(error) = self.retire(id) {
            tracing::error!(%error, cgroup = %id, "what was counted for it is lost");
        }
        match self.parts().kernel.detach(id) {
            // They went before, with their cgroup: the start of the kernel side sees to that.
            Err(KernelError::NotAttached(_)) => {}
            outcome => outcome?,
        }
        self.allowed().forget(id);
        self.parts().attachments.remove(id)?;
        self.parts().attachments.identities().set(id.0, None);
        self.parts().live.end_cgroup(id);
        Ok(())
    }
}

/// Whether the cgroup was removed, or removed and made anew by somebody else. Anything else that
/// keeps us from looking at it is no reason to take its hooks away.
pub(super) fn is_gone(attachment: &Attachment) -> bool {
    match std::fs::metadata(&attachment.path) {
        Ok(found) => found.ino() != attachment.cgroup.0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

pub(super) fn detached_line(detached: &Detached, by: Option<Operator>) -> enforcement::Attachment {
    let path = detached
        .path
        .as_ref()
        .map(|path| path.display().to_string());
    enforcement::Attachment {
        workload: detached.workload.clone(),
        cgroup: path.unwrap_or_else(|| detached.cgroup.to_string()),
        by,
        selector: detached.selector.clone(),
        inside: None,
    }
}

//! What the hooks cannot see on this host, found out by looking at it: each thing with what to do.
//!
//! Nothing here is a guess about intentions: it says which way is open, not that anybody goes it.
//! `gateway run` closes most of this (docs/run.md), so it is told of cgroups that were attached.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::attachments::{Attachment, Purpose};
use crate::launch::deputies;

/// Something that is not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// What.
    pub what: String,
    /// What to do about it.
    pub todo: String,
}

/// Capabilities with which a process gets past the hooks, by their bits (capability(7)).
const POWERS: [(u32, &str); 7] = [
    (12, "cap_net_admin"),
    (13, "cap_net_raw"),
    (16, "cap_sys_module"),
    (19, "cap_sys_ptrace"),
    (21, "cap_sys_admin"),
    (38, "cap_perfmon"),
    (39, "cap_bpf"),
];

/// Processes and paths that are named in one line.
const NAMED: usize = 5;

/// A process of an attached cgroup.
struct Agent {
    pid: u32,
    uid: u32,
    gids: BTreeSet<u32>,
    powers: u64,
}

/// What is not seen of anybody here; with why sockets that are not IP are not, if so.
pub(super) fn of_host(without_family: Option<&str>) -> Vec<Unseen> {
    let mut all = vec![match without_family {
        Some(reason) => Unseen {
            what: format!(
                "sockets that are not IP (vsock, Bluetooth, packet, Unix) of cgroups that were attached: {reason}"
            ),
            todo: "start agents with `gateway run`, which refuses these families".to_owned(),
        },
        None => Unseen {
            what: "Unix sockets of cgroups that were attached: what listens there acts for whoever asks"
                .to_owned(),
            todo: "start agents with `gateway run`, which hides those of container engines and buses"
                .to_owned(),
        },
    }];
    if let Ok(scope) = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
        && scope.trim() != "0"
    {
        return all;
    }
    all.push(Unseen {
        what:
            "a process may trace any other of its own user (Yama's ptrace_scope is 0 or absent): \
               an attached agent can have one outside act for it"
                .to_owned(),
        todo: "give agents a user of their own, or start them with `gateway run`".to_owned(),
    });
    all
}

/// What is not seen of one workload's attached cgroups, `everything` being those of all.
pub(super) fn of_attachments(
    attachments: &[&Attachment],
    everything: &[Attachment],
) -> Vec<Unseen> {
    let mut all = Vec::from_iter(late(attachments, everything));
    for attachment in attachments {
        if attachment.closing.left > 0 {
            all.push(Unseen {
                what: format!(
                    "{} sockets in {} are from before the attach and were left as they are",
                    attachment.closing.left,
                    attachment.path.display()
                ),
                todo: "start these programs anew, now that their cgroup is attached".to_owned(),
            });
        }
        // The launcher has closed the ways below for what it starts.
        if attachment.purpose == Purpose::Run {
            continue;
        }
        if let Err(error) = fs::read_to_string(attachment.path.join("cgroup.procs")) {
            all.push(Unseen {
                what: format!(
                    "the processes of {} cannot be looked at: {error}",
                    attachment.path.display()
                ),
                todo: "find out whether they have capabilities, and what they may write to"
                    .to_owned(),
            });
            continue;
        }
        let agents = agents(&attachment.path);
        all.extend(powerful(&agents, &attachment.path));
        all.extend(free_to_leave(&agents, &attachment.path));
        all.extend(for_others(&agents, &attachment.path));
        all.extend(siblings(&agents, &attachment.path));
        all.push(Unseen {
            what: format!(
                "processes that are moved into {} later keep the sockets they have from elsewhere",
                attachment.path.display()
            ),
            todo: "start agents in the cgroup (a unit, a container, `gateway run`); attach again \
                   after moving one"
                .to_owned(),
        });
    }
    all
}

/// What is made anew and again is attached a moment after it appears, and not while no daemon runs: unless what
/// is around it is attached, or it waits for that before it starts.
fn late(attachments: &[&Attachment], everything: &[Attachment]) -> Option<Unseen> {
    let mut selectors = BTreeSet::new();
    for one in attachments {
        let Some(selector) = &one.selector else {
            continue;
        };
        let is_made_anew = selector.contains(['*', '?'])
            || one
                .path
                .extension()
                .is_some_and(|it| it == "service" || it == "scope");
        let is_around =
            |outer: &Attachment| outer.path != one.path && one.path.starts_with(&outer.path);
        if is_made_anew && !one.before_start && !everything.iter().any(is_around) {
            selectors.insert(format!("`{selector}`"));
        }
    }
    (!selectors.is_empty()).then(|| Unseen {
        what: format!(
            "what {} chooses is direct until it is attached: a moment, when it appears; until the \
             daemon is back, when it appears while that is down",
            Vec::from_iter(selectors).join(", ")
        ),
        todo: "attach what is around it, or give services the drop-in deploy/agent.conf (docs/attach.md)"
            .to_owned(),
    })
}

fn powerful(agents: &[Agent], cgroup: &Path) -> Option<Unseen> {
    let strong: Vec<&Agent> = agents.iter().filter(|one| one.powers != 0).collect();
    if strong.is_empty() {
        return None;
    }
    let has = |bit: u32| strong.iter().any(|one| one.powers >> bit & 1 == 1);
    let names: Vec<&str> = POWERS
        .iter()
        .filter(|(bit, _)| has(*bit))
        .map(|(_, name)| *name)
        .collect();
    Some(Unseen {
        what: format!(
            "{} in {} with {}: they can leave the cgroup, take hooks off or send past them",
            processes(&strong),
            cgroup.display(),
            names.join(", ")
        ),
        todo: "run it without capabilities (systemd: CapabilityBoundingSet=, NoNewPrivileges=yes), or \
               by `gateway run`"
            .to_owned(),
    })
}

/// Whoever may write to `cgroup.procs` of a cgroup above can move itself out.
fn free_to_leave(agents: &[Agent], cgroup: &Path) -> Option<Unseen> {
    let above = cgroup.ancestors().skip(1);
    let open: Vec<PathBuf> = above
        .map(|folder| folder.join("cgroup.procs"))
        .filter(|file| {
            // Above the mount there are none.
            let found = fs::metadata(file);
            found.is_ok_and(|found| agents.iter().any(|one| may_write(one, &found)))
        })
        .collect();
    let first = open.first()?;
    Some(Unseen {
        what: format!(
            "the agent's user may write {}: it can move itself out of {}",
            first.display(),
            cgroup.display()
        ),
        todo: "do not run agents as root, nor in a delegated tree such as user@.service: give the \
               cgroup to a user that owns nothing above it"
            .to_owned(),
    })
}

fn for_others(agents: &[Agent], cgroup: &Path) -> Option<Unseen> {
    let users: BTreeSet<u32> = agents.iter().map(|one| one.uid).collect();
    let of_each = |socket: &'static str| match socket.contains("UID") {
        true => {
            let own = users
                .iter()
                .map(|uid| socket.replace("UID", &uid.to_string()));
            own.map(PathBuf::from).collect()
        }
        false => vec![PathBuf::from(socket)],
    };
    let mut found: Vec<PathBuf> = deputies::sockets().flat_map(of_each).collect();
    found.retain(|path| {
        match fs::metadata(path) {
            Ok(found) => {
                found.file_type().is_socket() && agents.iter().any(|one| may_write(one, &found))
            }
            // In a folder of the agent's own, such as /run/user/1000: what we may not look at counts.
            Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    });
    if found.is_empty() {
        return None;
    }
    let more = found.len().saturating_sub(NAMED);
    let mut names: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|path| path.display().to_string())
        .collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    Some(Unseen {
        what: format!(
            "in {}, what listens at {} acts for the agent where no hook sees it",
            cgroup.display(),
            names.join(", ")
        ),
        todo: "hide them (systemd: InaccessiblePaths=), or start it with `gateway run`".to_owned(),
    })
}

/// Processes outside that the agent's user may trace, signal and write files for.
fn siblings(agents: &[Agent], cgroup: &Path) -> Option<Unseen> {
    let inside: BTreeSet<u32> = agents.iter().map(|one| one.pid).collect();
    let users: BTreeSet<u32> = agents
        .iter()
        .map(|one| one.uid)
        .filter(|uid| *uid != 0)
        .collect();
    if users.is_empty() {
        return None;
    }
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let outside = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| !inside.contains(pid))
        .filter_map(agent)
        .filter(|one| users.contains(&one.uid))
        .count();
    (outside > 0).then(|| Unseen {
        what: format!(
            "{outside} processes outside of {} are of the same user: what they do for the agent, or \
             run of its files, is not seen",
            cgroup.display()
        ),
        todo: "give the agent a user of its own".to_owned(),
    })
}

fn processes(of: &[&Agent]) -> String {
    let mut pids: Vec<String> = of
        .iter()
        .take(NAMED)
        .map(|one| one.pid.to_string())
        .collect();
    if of.len() > NAMED {
        pids.push(format!("{} more", of.len() - NAMED));
    }
    let plural = if of.len() == 1 {
        "process"
    } else {
        "processes"
    };
    format!("{} {plural} ({})", of.len(), pids.join(", "))
}

/// The processes of a cgroup and of those below it. What ends meanwhile is left out.
fn agents(cgroup: &Path) -> Vec<Agent> {
    let listed = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let pids = listed.lines().filter_map(|line| line.parse().ok());
    let mut all: Vec<Agent> = pids.filter_map(agent).collect();
    let below = fs::read_dir(cgroup).into_iter().flatten().flatten();
    for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        all.extend(agents(&entry.path()));
    }
    all
}

/// From `/proc/PID/status` (proc(5)).
fn agent(pid: u32) -> Option<Agent> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim())
    };
    let numbers = |name: &str| {
        let words = field(name).unwrap_or_default().split_whitespace();
        words
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<u32>>()
    };
    // Permitted ones can be made effective at any time.
    let permitted = u64::from_str_radix(field("CapPrm:")?, 16).ok()?;
    let mask = POWERS.iter().fold(0, |mask, (bit, _)| mask | 1_u64 << bit);
    let mut gids: BTreeSet<u32> = numbers("Groups:").into_iter().collect();
    gids.extend(numbers("Gid:"));
    Some(Agent {
        pid,
        // The effective one: the second of real, effective, saved and that of the file system.
        uid: *numbers("Uid:").get(1)?,
        gids,
        powers: permitted & mask,
    })
}

/// By owner and mode bits; root may by its owning nearly everything.
fn may_write(agent: &Agent, found: &fs::Metadata) -> bool {
    let mode = found.permissions().mode();
    if agent.uid == 0 || agent.uid == found.uid() {
        agent.uid == 0 || mode & 0o200 != 0
    } else if agent.gids.contains(&found.gid()) {
        mode & 0o020 != 0
    } else {
        mode & 0o002 != 0
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::ids::WorkloadName;
    use jiff::Timestamp;

    use super::*;
    use crate::kernel::{CgroupId, Closing};

    #[test]
    fn what_is_attached_late_is_told() {
        let attachment = |path: &str, selector: Option<&str>, before_start| Attachment {
            cgroup: CgroupId(1),
            path: PathBuf::from("/sys/fs/cgroup").join(path),
            workload: WorkloadName::new("planner"),
            purpose: Purpose::Selected,
            selector: selector.map(str::to_owned),
            before_start,
            identity_token: None,
            since: Timestamp::UNIX_EPOCH,
            closing: Closing::default(),
        };
        let named = Some("unit planner.service");
        let service = attachment("system.slice/planner.service", named, false);
        let asked = attachment("system.slice/planner.service", named, true);
        let pod = attachment(
            "kubepods/burstable/pod1",
            Some("cgroup kubepods/*/pod*"),
            false,
        );
        let slice = attachment("agents.slice", Some("unit agents.slice"), false);
        let inner = attachment("agents.slice/planner.service", named, false);
        let by_hand = attachment("system.slice/planner.service", None, false);
        let told = |one: &Attachment| late(&[one], &[one.clone(), slice.clone()]).is_some();
        assert!(told(&service) && told(&pod));
        assert!(!told(&asked) && !told(&slice) && !told(&inner) && !told(&by_hand));
    }

    #[test]
    fn who_may_write_is_told_by_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cgroup.procs");
        fs::write(&file, "").unwrap();
        let owner = fs::metadata(&file).unwrap();
        let agent = |uid, gids: &[u32]| Agent {
            pid: 1,
            uid,
            gids: gids.iter().copied().collect(),
            powers: 0,
        };
        let check = |mode: u32, agent: &Agent, expected: bool| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let found = fs::metadata(&file).unwrap();
            assert_eq!(may_write(agent, &found), expected, "{mode:o} {}", agent.uid);
        };
        check(0o644, &agent(0, &[]), true);
        check(0o644, &agent(4_000_001, &[4_000_001]), false);
        check(0o646, &agent(4_000_001, &[]), true);
        check(0o664, &agent(4_000_001, &[owner.gid()]), true);
        check(0o646, &agent(4_000_001, &[owner.gid()]), false);
    }

    #[test]
    fn a_process_is_known_by_its_status() {
        let own = agent(std::process::id()).unwrap();
        assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
        assert!(agent(u32::MAX).is_none());
    }
}

//! Sockets of programs that would act on the agent's behalf outside of the run, where no hook sees
//! it: each folder with its reason, and the environment that points there.
//!
//! A run does not see the folders. For cgroups that were attached, which do, `control` looks for the
//! sockets whose names are known.
//!
//! Beside these, `view` covers every Unix socket that somebody listens at when the command starts.
//! This list is for those that come, or come back, later: a covered socket is uncovered when its
//! server makes it anew, a covered folder is not.

use std::fmt::Write as _;

/// Where a folder of the runtime directory usually is. Sockets right in it are never shown.
pub const RUNTIME: &str = "/run";

/// A program that acts for whoever may talk to it.
#[derive(Debug)]
pub struct Deputy {
    /// Where its sockets are. `UID` stands for the user's number.
    pub folder: &'static str,
    /// What it does.
    pub why: &'static str,
    /// Paths of sockets by which it is known, if any are: in the folder, or right in [`RUNTIME`].
    pub sockets: &'static [&'static str],
}

/// Folders below [`RUNTIME`] that are left out, and why.
pub const LEFT_OUT: &[Deputy] = &[
    Deputy {
        folder: "dbus",
        why: "the system bus: systemd starts units for who may ask",
        sockets: &["/run/dbus/system_bus_socket"],
    },
    Deputy {
        folder: "systemd",
        why: "systemd's private sockets, its resolver, its journal",
        sockets: &[
            "/run/systemd/private",
            "/run/systemd/resolve/io.systemd.Resolve",
        ],
    },
    Deputy {
        folder: "user",
        why: "session buses, user managers, agents of SSH and GPG, Wayland, rootless containers",
        sockets: &["/run/user/UID/bus"],
    },
    Deputy {
        folder: "docker",
        why: "Docker",
        sockets: &["/run/docker.sock"],
    },
    Deputy {
        folder: "containerd",
        why: "containerd starts containers",
        sockets: &["/run/containerd/containerd.sock"],
    },
    Deputy {
        folder: "podman",
        why: "Podman starts containers",
        sockets: &["/run/podman/podman.sock"],
    },
    Deputy {
        folder: "crio",
        why: "CRI-O starts containers",
        sockets: &["/run/crio/crio.sock"],
    },
    Deputy {
        folder: "buildkit",
        why: "BuildKit runs build steps",
        sockets: &["/run/buildkit/buildkitd.sock"],
    },
    Deputy {
        folder: "k3s",
        why: "the containerd of k3s",
        sockets: &["/run/k3s/containerd/containerd.sock"],
    },
    Deputy {
        folder: "libvirt",
        why: "libvirt starts virtual machines",
        sockets: &["/run/libvirt/libvirt-sock"],
    },
    Deputy {
        folder: "incus",
        why: "Incus starts containers",
        sockets: &[],
    },
    Deputy {
        folder: "lxd",
        why: "LXD starts containers",
        sockets: &[],
    },
    Deputy {
        folder: "snapd",
        why: "snapd starts services",
        sockets: &["/run/snapd.socket"],
    },
    Deputy {
        folder: "nscd",
        why: "looks host names up on its own",
        sockets: &["/run/nscd/socket"],
    },
    Deputy {
        folder: "avahi-daemon",
        why: "looks host names up on its own",
        sockets: &["/run/avahi-daemon/socket"],
    },
    Deputy {
        folder: "screen",
        why: "a screen runs what is typed into it",
        sockets: &[],
    },
    Deputy {
        folder: "tmux",
        why: "a tmux server runs what is typed into it",
        sockets: &[],
    },
    Deputy {
        folder: "netns",
        why: "other network namespaces",
        sockets: &[],
    },
    Deputy {
        folder: "postgresql",
        why: "a database without the gateway",
        sockets: &[],
    },
    Deputy {
        folder: "mysqld",
        why: "a database without the gateway",
        sockets: &[],
    },
    Deputy {
        folder: "redis",
        why: "a database without the gateway",
        sockets: &[],
    },
];

/// Folders elsewhere that are shown empty, and why.
pub const EMPTIED: &[Deputy] = &[
    Deputy {
        folder: "/tmp/.X11-unix",
        why: "an X server types into other windows",
        sockets: &["/tmp/.X11-unix/X0"],
    },
    Deputy {
        folder: "/tmp/.ICE-unix",
        why: "a session manager starts programs",
        sockets: &[],
    },
    Deputy {
        folder: "/tmp/tmux-UID",
        why: "a tmux server runs what is typed into it",
        sockets: &["/tmp/tmux-UID/default"],
    },
    Deputy {
        folder: "/var/lib/lxd",
        why: "LXD starts containers",
        sockets: &["/var/lib/lxd/unix.socket"],
    },
    Deputy {
        folder: "/var/lib/incus",
        why: "Incus starts containers",
        sockets: &["/var/lib/incus/unix.socket"],
    },
    Deputy {
        folder: "/var/snap/lxd/common/lxd",
        why: "LXD starts containers",
        sockets: &["/var/snap/lxd/common/lxd/unix.socket"],
    },
];

/// Folders whose sockets stay: without them users have no names where SSSD knows them, and they
/// answer to nothing else.
pub const KEPT: &[&str] = &["/var/lib/sss/pipes"];

/// Variables that name a socket, and whose it is. They are taken out of the environment unless
/// what they name is allowed.
pub const VARIABLES: &[(&str, &str)] = &[
    ("SSH_AUTH_SOCK", "the SSH agent"),
    ("SSH_AGENT_PID", "the SSH agent"),
    ("GPG_AGENT_INFO", "the GPG agent"),
    ("DBUS_SESSION_BUS_ADDRESS", "the session bus"),
    ("DBUS_SYSTEM_BUS_ADDRESS", "the system bus"),
    (
        "XDG_RUNTIME_DIR",
        "the user's sockets; the run has an empty folder of its own",
    ),
    ("DISPLAY", "the X server"),
    ("WAYLAND_DISPLAY", "the Wayland compositor"),
    ("TMUX", "the tmux server"),
    ("STY", "the screen"),
    ("NOTIFY_SOCKET", "the service manager"),
    ("LISTEN_FDS", "sockets that are closed"),
    ("LISTEN_PID", "sockets that are closed"),
];

/// The sockets that are known by name; `UID` stands for the user's number.
pub fn sockets() -> impl Iterator<Item = &'static str> {
    let deputies = LEFT_OUT.iter().chain(EMPTIED);
    deputies.flat_map(|deputy| deputy.sockets.iter().copied())
}

/// The lists as text, for the help and the manual page.
pub fn told() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for Deputy { folder, why, .. } in LEFT_OUT {
        let _ = writeln!(text, "  {RUNTIME}/{folder}: {why}");
    }
    for Deputy { folder, why, .. } in EMPTIED {
        let _ = writeln!(text, "  {folder}: {why}");
    }
    text.push_str("and these variables are unset:\n");
    for (name, why) in VARIABLES {
        let _ = writeln!(text, "  {name}: {why}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_tells_all_of_it() {
        let page = include_str!("../../../docs/run.md");
        let folders = LEFT_OUT
            .iter()
            .map(|deputy| format!("`{RUNTIME}/{}`", deputy.folder));
        let emptied = EMPTIED.iter().map(|deputy| format!("`{}`", deputy.folder));
        let variables = VARIABLES.iter().map(|(name, _)| format!("`{name}`"));
        let kept = KEPT.iter().map(|path| format!("`{path}`"));
        for name in folders.chain(emptied).chain(variables).chain(kept) {
            assert!(page.contains(&name), "docs/run.md does not tell of {name}");
        }
    }

    #[test]
    fn a_run_sees_no_socket_that_is_known() {
        let check = |deputy: &Deputy, folder: &str| {
            for socket in deputy.sockets {
                let (parent, _) = socket.rsplit_once('/').unwrap();
                let is_in = socket.starts_with(&format!("{folder}/"));
                assert!(is_in || parent == RUNTIME, "{socket}");
            }
        };
        for deputy in LEFT_OUT {
            check(deputy, &format!("{RUNTIME}/{}", deputy.folder));
        }
        for deputy in EMPTIED {
            check(deputy, deputy.folder);
        }
        assert!(sockets().count() > 12);
    }
}

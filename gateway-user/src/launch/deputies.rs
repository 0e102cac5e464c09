//! Sockets of programs that would act on the agent's behalf outside of the run, where no hook sees
//! it: each folder with its reason, and the environment that points there.
//!
//! Beside these, `view` covers every Unix socket that somebody listens at when the command starts.
//! This list is for those that come, or come back, later: a covered socket is uncovered when its
//! server makes it anew, a covered folder is not.

use std::fmt::Write as _;

/// Where a folder of the runtime directory usually is. Sockets right in it are never shown.
pub const RUNTIME: &str = "/run";

/// Folders below [`RUNTIME`] that are left out, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "dbus",
        "the system bus: systemd starts units for who may ask",
    ),
    (
        "systemd",
        "systemd's private sockets, its resolver, its journal",
    ),
    (
        "user",
        "session buses, user managers, agents of SSH and GPG, Wayland, rootless containers",
    ),
    ("docker", "Docker"),
    ("containerd", "containerd starts containers"),
    ("podman", "Podman starts containers"),
    ("crio", "CRI-O starts containers"),
    ("buildkit", "BuildKit runs build steps"),
    ("k3s", "the containerd of k3s"),
    ("libvirt", "libvirt starts virtual machines"),
    ("incus", "Incus starts containers"),
    ("lxd", "LXD starts containers"),
    ("snapd", "snapd starts services"),
    ("nscd", "looks host names up on its own"),
    ("avahi-daemon", "looks host names up on its own"),
    ("screen", "a screen runs what is typed into it"),
    ("tmux", "a tmux server runs what is typed into it"),
    ("netns", "other network namespaces"),
    ("postgresql", "a database without the gateway"),
    ("mysqld", "a database without the gateway"),
    ("redis", "a database without the gateway"),
];

/// Folders elsewhere that are shown empty, and why. `UID` stands for the user's number.
pub const EMPTIED: &[(&str, &str)] = &[
    ("/tmp/.X11-unix", "an X server types into other windows"),
    ("/tmp/.ICE-unix", "a session manager starts programs"),
    ("/tmp/tmux-UID", "a tmux server runs what is typed into it"),
    ("/var/lib/lxd", "LXD starts containers"),
    ("/var/lib/incus", "Incus starts containers"),
    ("/var/snap/lxd/common/lxd", "LXD starts containers"),
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

/// The lists as text, for the help and the manual page.
pub fn told() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, why) in LEFT_OUT {
        let _ = writeln!(text, "  {RUNTIME}/{name}: {why}");
    }
    for (path, why) in EMPTIED {
        let _ = writeln!(text, "  {path}: {why}");
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
            .map(|(name, _)| format!("`{RUNTIME}/{name}`"));
        let emptied = EMPTIED.iter().map(|(path, _)| format!("`{path}`"));
        let variables = VARIABLES.iter().map(|(name, _)| format!("`{name}`"));
        let kept = KEPT.iter().map(|path| format!("`{path}`"));
        for name in folders.chain(emptied).chain(variables).chain(kept) {
            assert!(page.contains(&name), "docs/run.md does not tell of {name}");
        }
    }
}

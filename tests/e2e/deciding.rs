//! People decide: by the command line and by the control API, as whom the kernel says they are.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{bounded, find, output, said};
use gateway_tests::tmux::Tmux;
use gateway_tests::wait;
use nix::sys::signal::Signal;
use nix::unistd::User;
use serde_json::Value;

use crate::stage::{gateway, never_logged, python_client, server, shop, sql, wait_logged};

const PLAIN: &str = "upstream = { tls = \"disable\" }";

/// Deletes wait for `approvers`, the rest passes.
fn held(approvers: &str) -> PolicyFile {
    let rule = "match = { verb = \"delete\" }\napprovers = [\"owners\"]\ntimeout = \"2m\"\n\
                reason = \"deletes are looked at\"";
    shop(PLAIN)
        .piece(&format!("[[approvers]]\nname = \"owners\"\n{approvers}"))
        .rule("everything", "allow", "")
        .rule("deletes-wait", "approve", rule)
}

/// The agent is another account than who decides: nobody decides on their own requests.
pub(crate) fn start(gateway: &Gateway, command: &Command) -> Child {
    let mut run = gateway.run_with(&["--as", "agent", "--user", "nobody"], command);
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    run.spawn().unwrap()
}

pub(crate) fn json(gateway: &Gateway, arguments: &[&str]) -> Value {
    let text = gateway.ask(arguments).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The one request that waits.
pub(crate) fn waiting(gateway: &Gateway) -> Value {
    wait::until("a request waits", || {
        let all = json(gateway, &["approvals", "list", "--json"]);
        let open = all.as_array().unwrap().iter();
        let mut open = open.filter(|one| one["state"] == "open");
        Ok(open.next().cloned())
    })
    .unwrap()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{value}"))
}

pub(crate) fn ended(child: Child) -> Output {
    let mut child = child;
    wait::until("the client ends", || Ok(child.try_wait()?)).unwrap();
    child.wait_with_output().unwrap()
}

fn refused(ran: &Output, expected: &str) {
    assert!(!ran.status.success(), "{}", said(ran));
    assert!(said(ran).contains(expected), "{expected}: {}", said(ran));
}

#[test]
fn what_is_approved_passes_and_what_is_denied_does_not() {
    let gateway = gateway(&held("users = [\"root\"]"));
    let statement = "DELETE FROM orders WHERE note = 'decided\u{1b}[2J' AND id = -31";
    let client = start(&gateway, &sql(statement));
    let brief = waiting(&gateway);
    assert_eq!(brief["yours"], true, "{brief}");
    let id = text(&brief, "id");
    let shown = gateway.ask(["approvals", "show", id]).unwrap();
    for part in [
        "note = 'decided\\u{1b}[2J' AND id = -31",
        "deletes-wait: deletes are looked at",
        "0 of 1 owners (root): asked now",
        "asks        agent (agents)",
        "user 65534",
        "under       ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let whole = json(&gateway, &["approvals", "show", id, "--json"]);
    assert_eq!(text(&whole["action"], "text"), statement);
    let digest = text(&whole["action"], "action");
    assert!(shown.contains(digest), "{shown}");
    let list = gateway.ask(["approvals", "list"]).unwrap();
    assert!(list.contains("deletes-wait"), "{list}");

    // Nobody is shown it, and nobody says which one: nothing is approved.
    let approve = |more: &[&str]| {
        let arguments = [&["approvals", "approve", id], more].concat();
        gateway.call(arguments).unwrap()
    };
    refused(&approve(&[]), "--yes --digest");
    refused(&approve(&["--yes"]), "--digest");
    refused(&approve(&["--yes", "--digest", "f00d"]), "another digest");
    refused(
        &approve(&["--yes", "--digest", digest, "--max-uses", "2"]),
        "--session",
    );
    never_logged(server(), "AND id = -31");
    let told = said(&approve(&[
        "--yes",
        "--digest",
        digest,
        "--comment",
        "looked at",
    ]));
    assert!(told.contains("approved by root"), "{told}");
    let shown = ended(client);
    assert!(shown.status.success(), "{}", said(&shown));
    wait_logged(server(), "AND id = -31");
    refused(&approve(&["--yes", "--digest", digest]), "it is approved");

    let client = start(&gateway, &sql("DELETE FROM orders WHERE id = -32"));
    let brief = waiting(&gateway);
    // By the end of its id too.
    let id = text(&brief, "id");
    let end = &id[id.len() - 8..];
    let told = gateway
        .ask(["approvals", "deny", end, "--reason", "use the archive job"])
        .unwrap();
    assert!(
        told.contains("denied by root: use the archive job"),
        "{told}"
    );
    refused(&ended(client), "use the archive job");
    never_logged(server(), "id = -32");
    let all = json(&gateway, &["approvals", "list", "--all", "--json"]);
    let states: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(one, "state"))
        .collect();
    assert_eq!(states, ["approved", "refused"], "{all}");
    let nothing = gateway.call(["approvals", "show", "nothing"]).unwrap();
    refused(&nothing, "gateway approvals list");
}

#[test]
fn a_grant_lets_the_like_pass_until_it_is_taken_back() {
    let gateway = gateway(&held("users = [\"root\"]"));
    let mut watch = gateway.command(["approvals", "watch", "--json"]);
    let mut watch = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["event"], "ready");

    let delete = |id: &str| sql(&format!("DELETE FROM orders WHERE id = {id}"));
    let client = start(&gateway, &delete("-41"));
    assert_eq!(next()["event"], "opened");
    let brief = waiting(&gateway);
    let whole = json(
        &gateway,
        &["approvals", "show", text(&brief, "id"), "--json"],
    );
    let digest = text(&whole["action"], "action");
    let arguments = [
        "approvals",
        "approve",
        text(&brief, "id"),
        "--for",
        "10m",
        "--max-uses",
        "5",
    ];
    gateway
        .ask([&arguments[..], &["--yes", "--digest", digest]].concat())
        .unwrap();
    assert!(ended(client).status.success());
    // Another statement of the same sort, in another session, is not asked for.
    assert!(ended(start(&gateway, &delete("-42"))).status.success());
    let grants = gateway.ask(["grants", "list"]).unwrap();
    assert!(
        grants.contains("delete public.orders") && grants.contains("2 of 5"),
        "{grants}"
    );
    let grants = json(&gateway, &["grants", "list", "--json"]);
    let grant = text(&grants[0], "id").to_owned();
    let told = gateway.ask(["grants", "revoke", &grant]).unwrap();
    assert!(told.contains("root took the approval back"), "{told}");
    let no = gateway.call(["grants", "revoke", &grant]).unwrap();
    refused(&no, "gateway grants list");
    let client = start(&gateway, &delete("-43"));
    let brief = waiting(&gateway);
    gateway
        .ask(["approvals", "deny", text(&brief, "id")])
        .unwrap();
    ended(client);
    never_logged(server(), "id = -43");
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("ended") {
        seen.push(text(&next(), "event").to_owned());
    }
    for event in ["voted", "closed", "granted", "used", "ended"] {
        assert!(seen.iter().any(|one| one == event), "{event}: {seen:?}");
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn parameters_are_shown_and_bound() {
    let gateway = gateway(&held("users = [\"root\"]"));
    let client = python_client("bound.py", &server().conninfo("127.0.0.1", "app"));
    let client = start(&gateway, &client);
    let brief = waiting(&gateway);
    let shown = gateway
        .ask(["approvals", "show", text(&brief, "id")])
        .unwrap();
    assert!(
        shown.contains("parameter $1") && shown.contains("so it is"),
        "{shown}"
    );
    gateway
        .ask(["approvals", "deny", text(&brief, "id")])
        .unwrap();
    ended(client);
}

#[test]
fn the_screen_shows_all_of_it_and_takes_the_word() {
    let mut gateway = gateway(&held("users = [\"root\"]"));
    let ui = gateway.command(["approvals", "ui"]);
    let screen = Tmux::start(&ui, 80, 24).unwrap();
    screen.wait_for("nothing waits for you").unwrap();
    let long = format!(
        "DELETE FROM orders WHERE id = -81 -- {}\n",
        "why ".repeat(300)
    );
    let client = start(&gateway, &sql(&format!("{long}AND id = -82")));
    screen.wait_for("MORE BELOW").unwrap();
    screen.press(&["a"]).unwrap();
    screen.wait_for("read it to its end first").unwrap();
    screen.press(&["End"]).unwrap();
    let shown = screen.wait_for("── digest").unwrap();
    assert!(shown.contains("│ AND id = -82"), "{shown}");
    screen.press(&["a"]).unwrap();
    screen.wait_for("approve once").unwrap();
    screen.press(&["Enter"]).unwrap();
    assert!(ended(client).status.success());
    screen.wait_for("approved by root").unwrap();

    // It outlives the daemon.
    gateway.stop(Signal::SIGTERM).unwrap();
    screen.wait_for("the daemon").unwrap();
    gateway.restart().unwrap();
    let client = start(&gateway, &sql("DELETE FROM orders WHERE id = -83"));
    // It may be there before the screen is back, which then tells of nothing new.
    screen
        .wait_for("DELETE FROM orders WHERE id = -83")
        .unwrap();
    screen.press(&["Down"]).unwrap();
    screen.wait_for("you         are asked").unwrap();
    screen.press(&["End"]).unwrap();
    screen.wait_for("── digest").unwrap();
    screen.press(&["d"]).unwrap();
    screen.wait_for("the reason is told to the agent").unwrap();
    screen.press(&["not", "Space", "today", "Enter"]).unwrap();
    refused(&ended(client), "not today");
    screen.press(&["q"]).unwrap();
}

#[test]
fn what_waits_of_a_frozen_workload_ends_and_is_withdrawn() {
    let gateway = gateway(&held("users = [\"root\"]"));
    let client = start(&gateway, &sql("DELETE FROM orders WHERE id = -91"));
    let brief = waiting(&gateway);
    gateway.ask(["freeze", "agent"]).unwrap();
    refused(&ended(client), "frozen by an operator");
    let withdrawn = wait::until("it is withdrawn", || {
        let all = json(&gateway, &["approvals", "list", "--all", "--json"]);
        Ok((all[0]["state"] == "withdrawn").then_some(all))
    })
    .unwrap();
    assert_eq!(withdrawn[0]["id"], brief["id"]);
    // Approved late, it passes once it may act again, and not before.
    let whole = json(
        &gateway,
        &["approvals", "show", text(&brief, "id"), "--json"],
    );
    let digest = text(&whole["action"], "action");
    let approve = [
        "approvals",
        "approve",
        text(&brief, "id"),
        "--yes",
        "--digest",
        digest,
    ];
    let told = gateway.ask(approve).unwrap();
    assert!(told.contains("approved late by root"), "{told}");
    let again = sql("DELETE FROM orders WHERE id = -91");
    assert!(!ended(start(&gateway, &again)).status.success());
    never_logged(server(), "id = -91");
    gateway.ask(["thaw", "agent"]).unwrap();
    let passed = ended(start(&gateway, &again));
    assert!(passed.status.success(), "{}", said(&passed));
    wait_logged(server(), "id = -91");
}

/// People who are no operators, on a host whose groups say who they are.
struct People {
    gateway: Gateway,
    program: std::path::PathBuf,
}

impl People {
    fn new(groups: &str) -> People {
        let gateway = Gateway::start_within(&held("groups = [\"dba\"]"), |folder| {
            // Before the daemon has mounts of its own.
            let bpffs = folder.join("run/bpf");
            fs::create_dir_all(&bpffs)?;
            let mut mount = Command::new("mount");
            mount
                .args(["-t", "bpf", "-o", "mode=0700", "bpf"])
                .arg(&bpffs);
            output(&mut mount)?;
            let mut all = fs::read_to_string("/etc/group")?;
            all.push_str(groups);
            let file = folder.join("group");
            fs::write(&file, all)?;
            Ok(within(&file))
        })
        .unwrap();
        // Its folder is root's alone, and so may be the program's.
        let folder = gateway.path("");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o711)).unwrap();
        let program = gateway.path("program");
        fs::copy(gateway.program(), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        People { gateway, program }
    }

    /// Runs `gateway …` as this account.
    fn run(&self, account: &str, arguments: &[&str]) -> Output {
        let user = User::from_name(account).unwrap().unwrap();
        let group = user.gid.to_string();
        self.run_in(account, &["--regid", &group, "--init-groups"], arguments)
    }

    /// Runs it as this account with these groups, whatever the user database gives it.
    fn run_in(&self, account: &str, groups: &[&str], arguments: &[&str]) -> Output {
        let words = within(&self.gateway.path("group"));
        let (first, rest) = words.split_first().unwrap();
        let mut command = Command::new(first);
        command.args(rest).arg(find("setpriv").unwrap());
        command.args(["--reuid", account]).args(groups);
        command.arg(&self.program).arg("--socket");
        command
            .arg(self.gateway.path("run/control.sock"))
            .args(arguments);
        bounded(&command).output().unwrap()
    }
}

/// What sees this file as `/etc/group`.
fn within(groups: &std::path::Path) -> Vec<String> {
    let script = format!(
        "mount --bind '{}' /etc/group; exec \"$@\"",
        groups.display()
    );
    let words = [
        "unshare",
        "--mount",
        "--propagation=slave",
        "sh",
        "-c",
        &script,
        "sh",
    ];
    words.map(str::to_owned).to_vec()
}

#[test]
fn who_decides_is_who_the_host_says() {
    let people = People::new("dba:x:64001:games\ngateway-approvers:x:64002:games,news\n");
    let client = start(&people.gateway, &sql("DELETE FROM orders WHERE id = -61"));
    let brief = waiting(&people.gateway);
    // Root is an operator and sees it, but is not asked.
    assert_eq!(brief["yours"], false, "{brief}");
    let id = text(&brief, "id");
    let whole = json(&people.gateway, &["approvals", "show", id, "--json"]);
    let digest = text(&whole["action"], "action");
    let approve = ["approvals", "approve", id, "--yes", "--digest", digest];
    refused(&people.gateway.call(approve).unwrap(), "root is not asked");
    // Someone who may speak about approvals, but is not asked, does not even see it.
    let list = people.run("news", &["approvals", "list"]);
    assert!(
        said(&list).contains("nothing waits for you"),
        "{}",
        said(&list)
    );
    refused(&people.run("news", &approve), "no request");
    // Nobody else may speak at all, and nobody by this door about other things.
    refused(
        &people.run("nobody", &["approvals", "list"]),
        "not permitted",
    );
    refused(&people.run("games", &["status"]), "not permitted");
    // A group that a process was lent opens the socket, and nothing behind it.
    let lent = ["--regid", "64002", "--clear-groups"];
    let list = people.run_in("nobody", &lent, &["approvals", "list"]);
    refused(&list, "may not control the gateway");
    never_logged(server(), "id = -61");

    let list = people.run("games", &["approvals", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list[0]["yours"], true, "{list}");
    let told = people.run("games", &approve);
    assert!(said(&told).contains("approved by games"), "{}", said(&told));
    assert!(ended(client).status.success());
}

#[test]
fn agents_decide_nothing() {
    let gateway = gateway(&held("users = [\"root\"]"));
    let client = start(&gateway, &sql("DELETE FROM orders WHERE id = -71"));
    let brief = waiting(&gateway);
    let cgroup = Cgroup::new("decider").unwrap();
    let path = cgroup.path().display().to_string();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", &path])
        .unwrap();
    let decide = gateway.command(["approvals", "deny", text(&brief, "id")]);
    let mut inside = Command::new("sh");
    inside
        .args(["-c", "echo $$ > \"$0/cgroup.procs\"; exec \"$@\""])
        .arg(cgroup.path());
    inside.arg(decide.get_program()).args(decide.get_args());
    refused(&bounded(&inside).output().unwrap(), "attached cgroup");
    assert_eq!(waiting(&gateway)["id"], brief["id"]);
    gateway.ask(["detach", "--cgroup", &path]).unwrap();
    gateway
        .ask(["approvals", "deny", text(&brief, "id")])
        .unwrap();
    ended(client);
}

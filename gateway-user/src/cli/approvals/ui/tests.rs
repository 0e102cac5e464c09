//! The screen by itself: what it draws, and what keys may do when.

use gateway_core::approvals::request::State;
use gateway_core::ids::{RequestId, SessionId};
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw;
use super::screen::{News, Screen, Wish};
use crate::cli::approvals::view::tests::approval;
use crate::control::approvals::api::{Approval, Brief, Line, Reach};

fn brief(approval: &Approval) -> Brief {
    Brief {
        id: approval.id.clone(),
        opened: approval.opened,
        deadline: approval.deadline,
        closed: None,
        state: approval.state.clone(),
        workload: approval.action.subject.workload.clone(),
        session: SessionId::new("0197-session"),
        comm: "psql".to_owned(),
        pid: 4801,
        resource: approval.action.resource.clone(),
        protocol: "postgres".to_owned(),
        rules: approval
            .action
            .demands
            .iter()
            .map(|it| it.rule.clone())
            .collect(),
        asked: vec!["data-owners".to_owned()],
        yours: approval.yours,
        beginning: approval.action.text.chars().take(200).collect(),
        text_bytes: approval.action.text.len(),
    }
}

/// A screen that shows these requests, the first one chosen.
fn screen(approvals: &[&Approval]) -> Screen {
    let now: Timestamp = "2026-01-31T09:06:00Z".parse().unwrap();
    let mut screen = Screen::new(now);
    let wishes = screen.tell(News::Requests(
        approvals.iter().map(|it| brief(it)).collect(),
    ));
    if let Some(first) = approvals.first() {
        assert_eq!(wishes, [Wish::Load(first.id.clone())]);
        screen.tell(News::Shown(Box::new((*first).clone())));
    }
    screen
}

/// What is on a terminal of this size.
fn drawn(screen: &mut Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = (0..height).map(|y| {
        let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn press(screen: &mut Screen, code: KeyCode) -> Vec<Wish> {
    screen.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn letters(screen: &mut Screen, text: &str) {
    for letter in text.chars() {
        press(screen, KeyCode::Char(letter));
    }
}

#[test]
fn a_small_terminal_shows_the_list_and_the_beginning() {
    let mut screen = screen(&[&approval("DELETE FROM orders WHERE id = 7")]);
    let shown = drawn(&mut screen, 80, 24);
    for part in [
        "requests 1",
        "grants 0",
        "-request",
        "planner orders-db deletes-wait DELETE",
        "MORE BELOW",
        "a approve",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn a_large_terminal_shows_all_of_it() {
    let mut screen = screen(&[&approval("DELETE FROM orders WHERE id = 7")]);
    let shown = drawn(&mut screen, 200, 50);
    for part in [
        "digest",
        "│ DELETE FROM orders WHERE id = 7",
        "── end of request 0197-request",
        "the end is shown",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn only_what_was_read_to_its_end_is_approved() {
    let long = (0..100)
        .map(|line| format!("-- {line}\n"))
        .collect::<String>();
    let one = approval(&format!("{long}DELETE FROM orders"));
    let mut screen = screen(&[&one]);
    drawn(&mut screen, 80, 24);
    press(&mut screen, KeyCode::Char('a'));
    assert!(screen.dialog.is_none());
    assert!(drawn(&mut screen, 80, 24).contains("read it to its end first"));
    // To the end, but it is not on the screen before the next drawing.
    press(&mut screen, KeyCode::End);
    press(&mut screen, KeyCode::Char('a'));
    assert!(screen.dialog.is_none());
    let shown = drawn(&mut screen, 80, 24);
    assert!(
        shown.contains("DELETE FROM orders") && shown.contains("the end is shown"),
        "{shown}"
    );
    press(&mut screen, KeyCode::Home);
    drawn(&mut screen, 80, 24);
    press(&mut screen, KeyCode::Char('a'));
    assert!(drawn(&mut screen, 80, 24).contains("approve once"));
    let wishes = press(&mut screen, KeyCode::Enter);
    let [Wish::Approve(id, request)] = wishes.as_slice() else {
        panic!("{wishes:?}");
    };
    assert_eq!((id, &request.digest), (&one.id, &one.action.action));
    assert_eq!((request.scope, request.lasting_s), (Reach::Once, None));
}

/// While somebody reads or is asked, the agent puts something else in its place.
#[test]
fn another_action_has_to_be_read_anew() {
    let one = approval("DELETE FROM orders WHERE id = 7");
    let mut screen = screen(&[&one]);
    drawn(&mut screen, 200, 50);
    press(&mut screen, KeyCode::Char('a'));
    assert!(screen.dialog.is_some());
    let mut other = approval("DELETE FROM customers");
    other.id = one.id.clone();
    screen.tell(News::Shown(Box::new(other.clone())));
    assert!(
        screen.dialog.is_none(),
        "the dialog was about something else"
    );
    press(&mut screen, KeyCode::Char('a'));
    assert!(screen.dialog.is_none(), "it was not on the screen yet");
    // One that only claims to be the same.
    let mut forged = approval("DELETE FROM secrets");
    forged.action.action = other.action.action.clone();
    drawn(&mut screen, 200, 50);
    screen.tell(News::Shown(Box::new(forged)));
    press(&mut screen, KeyCode::Char('a'));
    assert!(screen.dialog.is_none(), "it was not on the screen yet");
}

#[test]
fn an_approval_goes_as_far_as_was_chosen() {
    let mut screen = screen(&[&approval("DELETE FROM orders WHERE id = 7")]);
    drawn(&mut screen, 200, 50);
    press(&mut screen, KeyCode::Char('a'));
    press(&mut screen, KeyCode::Left);
    press(&mut screen, KeyCode::Tab);
    press(&mut screen, KeyCode::Right);
    press(&mut screen, KeyCode::Tab);
    for _ in 0.."15m".len() {
        press(&mut screen, KeyCode::Backspace);
    }
    assert_eq!(press(&mut screen, KeyCode::Enter), []);
    assert!(drawn(&mut screen, 80, 24).contains("say for how long"));
    letters(&mut screen, "1h30m");
    press(&mut screen, KeyCode::Tab);
    letters(&mut screen, "3");
    press(&mut screen, KeyCode::BackTab);
    press(&mut screen, KeyCode::Down);
    press(&mut screen, KeyCode::Down);
    letters(&mut screen, "50");
    press(&mut screen, KeyCode::Tab);
    letters(&mut screen, "for the clean-up q");
    let shown = drawn(&mut screen, 80, 24);
    assert!(shown.contains("1h30m, 3 uses, 50 rows"), "{shown}");
    let wishes = press(&mut screen, KeyCode::Enter);
    let [Wish::Approve(_, request)] = wishes.as_slice() else {
        panic!("{wishes:?}");
    };
    assert_eq!(request.scope, Reach::Workload);
    assert_eq!(request.lasting_s, Some(5400));
    assert_eq!((request.max_uses, request.max_rows), (Some(3), Some(50)));
    assert_eq!(request.comment.as_deref(), Some("for the clean-up q"));
    assert!(request.scope().is_ok());
}

#[test]
fn a_denial_takes_its_reason() {
    let one = approval("DELETE FROM orders");
    let mut screen = screen(&[&one]);
    drawn(&mut screen, 80, 24);
    press(&mut screen, KeyCode::Char('d'));
    letters(&mut screen, "no");
    screen.paste("pe\n\u{1b}[2J");
    let wishes = press(&mut screen, KeyCode::Enter);
    let [Wish::Deny(id, request)] = wishes.as_slice() else {
        panic!("{wishes:?}");
    };
    assert_eq!(id, &one.id);
    assert_eq!(request.comment.as_deref(), Some("nope[2J"));
}

#[test]
fn who_is_not_asked_decides_nothing() {
    let mut one = approval("DELETE FROM orders");
    one.yours = false;
    let mut screen = screen(&[&one]);
    drawn(&mut screen, 200, 50);
    for key in ['a', 'd'] {
        press(&mut screen, KeyCode::Char(key));
        assert!(screen.dialog.is_none());
    }
    assert!(drawn(&mut screen, 80, 24).contains("you are not asked"));
}

#[test]
fn requests_come_and_go() {
    let one = approval("DELETE FROM orders");
    let mut two = approval("DELETE FROM customers");
    two.id = RequestId::new("0198-request");
    let mut screen = screen(&[&one]);
    screen.tell(News::Happened(Box::new(Line::Opened {
        approval: brief(&two),
    })));
    assert_eq!(screen.requests.len(), 2);
    assert!(drawn(&mut screen, 80, 24).contains("you are asked"));
    // What is looked at stays when it is decided elsewhere, and goes when it is left.
    let mut closed = brief(&one);
    closed.state = State::Approved {
        by: vec!["bob".to_owned()],
        grant: None,
    };
    closed.closed = Some(one.opened);
    let wishes = screen.tell(News::Happened(Box::new(Line::Closed { approval: closed })));
    assert_eq!(wishes, [Wish::Load(one.id.clone())]);
    assert_eq!(screen.requests.len(), 2);
    let wishes = press(&mut screen, KeyCode::Down);
    assert_eq!(wishes, [Wish::Load(two.id.clone())]);
    assert_eq!(screen.requests.len(), 1);
    // An answer about what is not looked at any more comes too late.
    screen.tell(News::Shown(Box::new(one)));
    assert!(screen.pane.is_none());
    screen.tell(News::Gone("the daemon has ended".to_owned()));
    assert!(drawn(&mut screen, 80, 24).contains("the daemon has ended"));
    assert_eq!(screen.tell(News::Back), [Wish::Requests, Wish::Grants]);
    assert!(!drawn(&mut screen, 80, 24).contains("the daemon has ended"));
}

/// No size is too small to be drawn, and none shows what drives a terminal.
#[test]
fn every_size_is_drawn() {
    let mut screen = screen(&[&approval("DELETE FROM a\u{1b}[2J\u{202e} 数数数")]);
    for (width, height) in [
        (1, 1),
        (10, 3),
        (20, 8),
        (79, 12),
        (119, 30),
        (120, 30),
        (300, 90),
    ] {
        let shown = drawn(&mut screen, width, height);
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
        press(&mut screen, KeyCode::Char('d'));
        drawn(&mut screen, width, height);
        press(&mut screen, KeyCode::Esc);
    }
}

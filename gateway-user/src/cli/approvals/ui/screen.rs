//! What the screen knows, what keys do to it, and what it wishes from the daemon. Pure.

use anstyle::Style;
use gateway_core::approvals::request::State;
use gateway_core::ids::{GrantId, RequestId};
use jiff::Timestamp;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::dialog::{Dialog, Step};
use super::is_letter;
use super::pane::Pane;
use crate::cli::approvals::grants;
use crate::cli::printable::{BAD, DOUBTFUL, GOOD, line};
use crate::control::approvals::api::{Approval, ApproveRequest, Brief, DenyRequest, Grant, Line};

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Requests,
    Grants,
}

/// What the screen wishes from the daemon.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    Leave,
    Load(RequestId),
    Requests,
    Grants,
    Approve(RequestId, Box<ApproveRequest>),
    Deny(RequestId, DenyRequest),
    Revoke(GrantId),
}

/// What the screen is told.
#[derive(Debug)]
pub(super) enum News {
    Nothing,
    Requests(Vec<Brief>),
    Grants(Vec<Grant>),
    Shown(Box<Approval>),
    Happened(Box<Line>),
    Decided(String, Box<Approval>),
    Revoked(String),
    Failed(String),
    /// The daemon is not there.
    Gone(String),
    /// It is there, and tells first what waits.
    Back,
}

/// What the screen knows.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) now: Timestamp,
    pub(super) tab: Tab,
    /// What waits, oldest first.
    pub(super) requests: Vec<Brief>,
    pub(super) chosen: Option<RequestId>,
    pub(super) pane: Option<Pane>,
    pub(super) grants: Vec<Grant>,
    pub(super) chosen_grant: Option<GrantId>,
    pub(super) dialog: Option<Dialog>,
    /// What was said last.
    pub(super) note: Option<(Style, String)>,
    /// Why the daemon is not there.
    pub(super) gone: Option<String>,
}

impl Screen {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            tab: Tab::Requests,
            requests: Vec::new(),
            chosen: None,
            pane: None,
            grants: Vec::new(),
            chosen_grant: None,
            dialog: None,
            note: None,
            gone: None,
        }
    }

    /// Takes news.
    pub(super) fn tell(&mut self, news: News) -> Vec<Wish> {
        match news {
            News::Nothing => Vec::new(),
            News::Requests(requests) => {
                self.requests = requests;
                self.choose()
            }
            News::Grants(grants) => {
                self.grants = grants;
                self.choose_grant();
                Vec::new()
            }
            News::Shown(approval) => {
                self.look_at(*approval);
                Vec::new()
            }
            News::Happened(line) => self.happened(*line),
            News::Decided(text, approval) => {
                self.note = Some((GOOD, text));
                self.look_at(*approval);
                vec![Wish::Requests, Wish::Grants]
            }
            News::Revoked(text) => {
                self.note = Some((GOOD, text));
                vec![Wish::Grants]
            }
            News::Failed(text) => {
                self.note = Some((BAD, line(&text).to_string()));
                vec![Wish::Requests]
            }
            News::Gone(why) => {
                self.gone = Some(line(&why).to_string());
                Vec::new()
            }
            News::Back => {
                self.gone = None;
                vec![Wish::Requests, Wish::Grants]
            }
        }
    }

    fn look_at(&mut self, approval: Approval) {
        // An answer to what was chosen before comes too late.
        if self.chosen.as_ref() != Some(&approval.id) {
            return;
        }
        match &mut self.pane {
            Some(pane) => pane.update(approval),
            None => self.pane = Some(Pane::new(approval)),
        }
        let pane = self.pane.as_ref();
        let now = pane.map(|pane| (&pane.approval.id, &pane.approval.action.action));
        let is_other = |dialog: &Dialog| dialog.request().is_some_and(|it| Some(it) != now);
        if self.dialog.as_ref().is_some_and(is_other) {
            self.dialog = None;
        }
    }

    fn happened(&mut self, line: Line) -> Vec<Wish> {
        match line {
            Line::Ready => Vec::new(),
            Line::Missed { .. } => vec![Wish::Requests, Wish::Grants],
            Line::Waiting { approval }
            | Line::Previewed { approval }
            | Line::Voted { approval } => self.put(approval),
            Line::Opened { approval } => {
                if approval.yours {
                    let who = line_of(&approval);
                    self.note = Some((DOUBTFUL, format!("new, and you are asked: {who}")));
                }
                self.put(approval)
            }
            Line::Closed { approval } => self.put(approval),
            Line::Granted { grant } | Line::Used { grant } => {
                match self.grants.iter_mut().find(|it| it.id == grant.id) {
                    Some(known) => *known = grant,
                    None => self.grants.push(grant),
                }
                self.choose_grant();
                Vec::new()
            }
            Line::Ended { grant } => {
                self.grants.retain(|it| it.id != grant.id);
                self.choose_grant();
                Vec::new()
            }
        }
    }

    /// Takes what is known of a request now. What is over leaves the list, unless it is looked at.
    fn put(&mut self, brief: Brief) -> Vec<Wish> {
        let is_chosen = self.chosen.as_ref() == Some(&brief.id);
        let id = brief.id.clone();
        let stays = brief.state == State::Open || brief.state.may_be_late() || is_chosen;
        match self.requests.iter_mut().find(|it| it.id == id) {
            Some(known) => *known = brief,
            None => self.requests.push(brief),
        }
        if !stays {
            self.requests.retain(|it| it.id != id);
        }
        if is_chosen {
            return vec![Wish::Load(id)];
        }
        self.choose()
    }

    /// Chooses a request where none is, or the one that was is gone.
    fn choose(&mut self) -> Vec<Wish> {
        let is_there = |id: &RequestId| self.requests.iter().any(|it| it.id == *id);
        if self.chosen.as_ref().is_some_and(is_there) {
            return self.chosen.iter().cloned().map(Wish::Load).collect();
        }
        let mine = self.requests.iter().find(|it| it.yours);
        let next = mine.or(self.requests.first()).map(|it| it.id.clone());
        self.turn_to(next)
    }

    fn turn_to(&mut self, next: Option<RequestId>) -> Vec<Wish> {
        if next != self.chosen {
            self.pane = None;
            self.chosen = next;
        }
        self.chosen.iter().cloned().map(Wish::Load).collect()
    }

    fn choose_grant(&mut self) {
        let is_there = |id: &GrantId| self.grants.iter().any(|it| it.id == *id);
        if !self.chosen_grant.as_ref().is_some_and(is_there) {
            self.chosen_grant = self.grants.first().map(|it| it.id.clone());
        }
    }

    /// Takes pasted text; where none is asked for it is nothing.
    pub(super) fn paste(&mut self, text: &str) -> Vec<Wish> {
        if let Some(dialog) = &mut self.dialog {
            dialog.enter(text);
        }
        Vec::new()
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Vec<Wish> {
        if key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL {
            return vec![Wish::Leave];
        }
        if let Some(dialog) = &mut self.dialog {
            return match dialog.press(&key) {
                Step::Stay => Vec::new(),
                Step::Close => {
                    self.dialog = None;
                    Vec::new()
                }
                Step::Do(wish) => {
                    self.dialog = None;
                    self.note = None;
                    vec![wish]
                }
            };
        }
        self.note = None;
        if is_letter(&key, 'q') {
            return vec![Wish::Leave];
        }
        if is_letter(&key, 'r') {
            return vec![Wish::Requests, Wish::Grants];
        }
        if key.code == KeyCode::Tab || key.code == KeyCode::BackTab {
            self.tab = match self.tab {
                Tab::Requests => Tab::Grants,
                Tab::Grants => Tab::Requests,
            };
            return Vec::new();
        }
        match self.tab {
            Tab::Requests => self.press_requests(&key),
            Tab::Grants => self.press_grants(&key),
        }
    }

    fn press_requests(&mut self, key: &KeyEvent) -> Vec<Wish> {
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => return self.step(true),
            KeyCode::Up | KeyCode::Char('k') => return self.step(false),
            KeyCode::Char('a') => self.ask_approve(),
            KeyCode::Char('d') => self.ask_deny(),
            code => {
                if let Some(pane) = &mut self.pane {
                    scroll(pane, code);
                }
            }
        }
        Vec::new()
    }

    /// Whether the key that approves does.
    pub(super) fn may_approve(&self) -> bool {
        let pane = self.pane.as_ref();
        pane.is_some_and(|pane| pane.approval.yours && pane.is_read())
    }

    fn ask_approve(&mut self) {
        let Some(pane) = &self.pane else { return };
        let Approval {
            id, action, yours, ..
        } = &pane.approval;
        let no = if !*yours {
            "you are not asked now"
        } else if !pane.is_read() {
            "read it to its end first: space, page down"
        } else {
            self.dialog = Some(Dialog::approve(id.clone(), action.action.clone()));
            return;
        };
        self.note = Some((DOUBTFUL, no.to_owned()));
    }

    fn ask_deny(&mut self) {
        let Some(pane) = &self.pane else { return };
        let Approval {
            id, action, yours, ..
        } = &pane.approval;
        if *yours {
            self.dialog = Some(Dialog::deny(id.clone(), action.action.clone()));
        } else {
            self.note = Some((DOUBTFUL, "you are not asked now".to_owned()));
        }
    }

    /// The next request, or the one before.
    fn step(&mut self, forward: bool) -> Vec<Wish> {
        let is_chosen = |it: &Brief| Some(&it.id) == self.chosen.as_ref();
        let place = self.requests.iter().position(is_chosen).unwrap_or_default();
        let next = moved(place, self.requests.len(), forward);
        let next = self.requests.get(next).map(|it| it.id.clone());
        let before = self.chosen.clone();
        let wishes = self.turn_to(next);
        if before != self.chosen {
            // What was over stayed only as long as it was looked at.
            self.requests.retain(|it| {
                Some(&it.id) == self.chosen.as_ref()
                    || it.state == State::Open
                    || it.state.may_be_late()
            });
        }
        wishes
    }

    fn press_grants(&mut self, key: &KeyEvent) -> Vec<Wish> {
        let is_chosen = |it: &Grant| Some(&it.id) == self.chosen_grant.as_ref();
        let place = self.grants.iter().position(is_chosen).unwrap_or_default();
        match key.code {
            KeyCode::Down | KeyCode::Char('j') | KeyCode::Up | KeyCode::Char('k') => {
                let forward = matches!(key.code, KeyCode::Down | KeyCode::Char('j'));
                let next = self.grants.get(moved(place, self.grants.len(), forward));
                self.chosen_grant = next.map(|it| it.id.clone());
            }
            KeyCode::Char('x') => {
                if let Some(grant) = self.grants.get(place) {
                    self.dialog = Some(Dialog::revoke(grant.id.clone(), grants::about(grant)));
                }
            }
            _ => {}
        }
        Vec::new()
    }
}

fn scroll(pane: &mut Pane, code: KeyCode) {
    match code {
        KeyCode::PageDown | KeyCode::Char(' ') => pane.down(pane.page()),
        KeyCode::PageUp | KeyCode::Char('b') => pane.up(pane.page()),
        KeyCode::Char('J') | KeyCode::Right => pane.down(1),
        KeyCode::Char('K') | KeyCode::Left => pane.up(1),
        KeyCode::Home | KeyCode::Char('g') => pane.scroll_to_top(),
        KeyCode::End | KeyCode::Char('G') => pane.scroll_to_end(),
        _ => {}
    }
}

fn moved(place: usize, count: usize, forward: bool) -> usize {
    if forward {
        place.saturating_add(1).min(count.saturating_sub(1))
    } else {
        place.saturating_sub(1)
    }
}

fn line_of(brief: &Brief) -> String {
    format!(
        "{} on {}",
        line(brief.workload.as_str()),
        line(brief.resource.as_str())
    )
}

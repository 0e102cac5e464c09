//! The request that is looked at: all its rows, which of them are on the screen, and whether its end
//! was.
//!
//! INVARIANT: [`Pane::is_read`] is true only after a drawing had the last row of this very action on the
//! screen. Another action, by its digest, begins anew. Checked by the tests of the screen.

use jiff::Timestamp;

use crate::cli::approvals::view::{self, Row};
use crate::control::approvals::api::Approval;

/// The request that is looked at.
#[derive(Debug)]
pub(super) struct Pane {
    pub(super) approval: Approval,
    /// The first row on the screen.
    top: usize,
    /// Rows of the last drawing, and how many had room.
    rows: Vec<Row>,
    height: usize,
    is_read: bool,
}

impl Pane {
    pub(super) fn new(approval: Approval) -> Self {
        Self {
            approval,
            top: 0,
            rows: Vec::new(),
            height: 0,
            is_read: false,
        }
    }

    /// Takes what is known of it now.
    pub(super) fn update(&mut self, approval: Approval) {
        let is_same = approval.id == self.approval.id
            && approval.action.action == self.approval.action.action
            && approval.action.digest() == self.approval.action.digest();
        if is_same {
            self.approval = approval;
        } else {
            *self = Self::new(approval);
        }
    }

    /// Lays it out for a drawing; returns the rows that are on the screen.
    pub(super) fn lay_out(&mut self, width: usize, height: usize, now: Timestamp) -> &[Row] {
        self.rows = view::wrap(&view::rows(&self.approval, now), width);
        self.height = height;
        self.top = self.top.min(self.last_top());
        let end = self.top.saturating_add(height).min(self.rows.len());
        if height > 0 && end == self.rows.len() {
            self.is_read = true;
        }
        self.rows.get(self.top..end).unwrap_or_default()
    }

    /// Whether its end was on the screen.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// How much is below the screen, in rows.
    pub(super) fn below(&self) -> usize {
        let end = self.top.saturating_add(self.height);
        self.rows.len().saturating_sub(end)
    }

    /// Which rows are on the screen, of how many.
    pub(super) fn place(&self) -> (usize, usize, usize) {
        let end = self.top.saturating_add(self.height).min(self.rows.len());
        (self.top.saturating_add(1), end, self.rows.len())
    }

    pub(super) fn down(&mut self, rows: usize) {
        self.top = self.top.saturating_add(rows).min(self.last_top());
    }

    pub(super) fn up(&mut self, rows: usize) {
        self.top = self.top.saturating_sub(rows);
    }

    pub(super) fn scroll_to_top(&mut self) {
        self.top = 0;
    }

    pub(super) fn scroll_to_end(&mut self) {
        self.top = self.last_top();
    }

    /// A page, with a row of the one before.
    pub(super) fn page(&self) -> usize {
        self.height.saturating_sub(1).max(1)
    }

    fn last_top(&self) -> usize {
        self.rows.len().saturating_sub(self.height)
    }
}

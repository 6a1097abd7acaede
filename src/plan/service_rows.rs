//! Checks that every row has the values that its call needs, before anything is sent.

use crate::input::{Row, RowRules, Rows};
use crate::plan::{PlanProblem, SourcePosition};
use crate::service::{
    Action, CallScope, RowValues, Service, ValueFault, ValueProblem, ValueSource, call, column_of,
};
use std::collections::HashSet;
use std::sync::Arc;

/// How the rows of a service are read and checked.
#[derive(Debug, Clone)]
pub struct ServiceRows {
    service: Arc<Service>,
    scope: CallScope,
}

impl ServiceRows {
    /// Returns the check for a service, and what is the same for all its calls.
    pub fn new(service: Arc<Service>, scope: CallScope) -> Self {
        Self { service, scope }
    }

    /// Returns the names of the service's actions, in the order of its file.
    pub fn actions(&self) -> Vec<String> {
        self.service.actions.iter().map(|action| action.name.clone()).collect()
    }

    /// Returns whether the service's answers count what was done.
    pub fn has_counts(&self) -> bool {
        self.service.counts.is_some()
    }

    /// Returns the region, if one was named.
    pub fn region(&self) -> Option<String> {
        self.scope.region.clone()
    }

    /// Returns what ids and commands look like.
    pub fn rules(&self) -> RowRules {
        let service = Arc::clone(&self.service);
        RowRules {
            pattern: self.service.id.pattern.as_str().into(),
            commands: self.service.actions.iter().map(Action::command).collect(),
            is_id: Arc::new(move |text| service.id.id(text).is_ok()),
        }
    }
}

/// The check of one source: a column that is missing is one problem and not one a row.
pub(super) struct SourceCheck<'a> {
    of: &'a ServiceRows,
    columns: Vec<String>,
    missing: HashSet<String>,
}

impl<'a> SourceCheck<'a> {
    pub(super) fn new(of: &'a ServiceRows, rows: &Rows) -> Self {
        Self { of, columns: rows.columns().to_vec(), missing: HashSet::new() }
    }

    /// Checks the row that was read last; a column that was missing before is no problem again.
    pub(super) fn check(&mut self, row: &Row, rows: &Rows) -> Result<(), Option<PlanProblem>> {
        let ServiceRows { service, scope } = self.of;
        let action = service.action(row.command.as_str()).expect("only actions are accepted");
        let (id, cells) = (row.id.as_str(), row.others.as_deref());
        let values = RowValues::new(id, scope, &self.columns, cells);
        let values = values.expect("the cells were written as a JSON array of texts");
        match call(service, action, &values) {
            Ok(_) => Ok(()),
            Err(problem) => Err(self.placed(problem, row, rows)),
        }
    }

    fn placed(&mut self, problem: ValueProblem, row: &Row, rows: &Rows) -> Option<PlanProblem> {
        let source = rows.name().to_owned();
        let (mut line, mut column) = (row.position.line, Some(row.position.column));
        if let ValueSource::Column(name) = &problem.value {
            if problem.fault == ValueFault::NoColumn {
                (line, column) = (1, None);
                if !self.missing.insert(name.clone()) {
                    return None;
                }
            } else if let Some(at) =
                column_of(&self.columns, name).and_then(|index| rows.position_of(index))
            {
                (line, column) = (at.line, Some(at.column));
            }
        }
        Some(PlanProblem::Value { at: SourcePosition { source, line, column }, problem })
    }
}

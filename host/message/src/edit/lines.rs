//! The header section as lines: those of the base by position, and new ones between them.

use super::{Edit, EditSet};
use crate::field::NewField;

/// A header line of the edited message.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// The field of that position in the base.
    Base(usize),
    New(NewField),
}

impl EditSet {
    pub(crate) fn lines(&self) -> Option<&[Line]> {
        self.lines.as_deref()
    }

    pub(super) fn lines_mut(&mut self) -> &mut Vec<Line> {
        let count = self.message.header_section().ranges().len();
        self.lines
            .get_or_insert_with(|| (0..count).map(Line::Base).collect())
    }

    fn has_name(&self, line: &Line, name: &str) -> bool {
        match line {
            Line::Base(at) => {
                let section = self.message.header_section();
                section.field(&section.ranges()[*at]).is(name)
            }
            Line::New(field) => field.as_field().is(name),
        }
    }

    pub(super) fn put_replaced(&mut self, name: &str, field: NewField) {
        let mut field = Some(field);
        let lines = std::mem::take(self.lines_mut());
        let mut kept = Vec::with_capacity(lines.len() + 1);
        for line in lines {
            if self.has_name(&line, name) {
                kept.extend(field.take().map(Line::New));
            } else {
                kept.push(line);
            }
        }
        kept.extend(field.map(Line::New));
        self.lines = Some(kept);
    }

    pub(super) fn remove_lines(&mut self, name: &str) {
        let mut lines = std::mem::take(self.lines_mut());
        lines.retain(|line| !self.has_name(line, name));
        self.lines = Some(lines);
    }

    /// The header lines once more from the base, after edits were dropped.
    pub(super) fn rebuild_lines(&mut self) {
        self.lines = None;
        let edits: Vec<Edit> = self
            .applied
            .iter()
            .filter(|applied| applied.edit.is_header())
            .map(|applied| applied.edit.clone())
            .collect();
        for edit in edits {
            // Each of these was made before, so its field can be made again.
            match edit {
                Edit::PrependHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.lines_mut().insert(0, Line::New(field));
                    }
                }
                Edit::AppendHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.lines_mut().push(Line::New(field));
                    }
                }
                Edit::ReplaceHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.put_replaced(&name, field);
                    }
                }
                Edit::RemoveHeader { name } => self.remove_lines(&name),
                Edit::SetText { .. } => {}
            }
        }
    }
}

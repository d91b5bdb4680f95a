//! The row groups that are being made, and which column is encoded next. Nothing here waits or runs.

use std::collections::VecDeque;
use std::sync::Arc;

use dativo_plugin::Result;
use dativo_plugin::arrow::array::ArrayRef;
use dativo_plugin::arrow::datatypes::{DataType, Field, FieldRef};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, compute_leaves};

use crate::failure::unwritable;
use crate::measure::bytes;

/// An encoded row group: its column chunks in the order of the Parquet schema.
pub(crate) type RowGroup = Vec<ArrowColumnChunk>;

/// Values of one leaf column of one batch.
pub(crate) struct Piece {
    values: Values,
    bytes: usize,
    /// The bytes of the whole batch, which are free once the last of its pieces is gone.
    batch: Arc<usize>,
}

/// A plain column is its only leaf, which the thread that encodes computes; a nested one is taken apart first.
enum Values {
    Plain(FieldRef, ArrayRef),
    Leaf(ArrowLeafColumn),
}

impl Piece {
    /// Give the pieces of a column: one for each of its leaves.
    pub(crate) fn of(field: &FieldRef, values: &ArrayRef, batch: &Arc<usize>) -> Result<Vec<Self>> {
        let size = bytes(values);
        let parts = if is_nested(field) {
            let leaves = compute_leaves(field, values).map_err(unwritable)?;
            leaves.into_iter().map(Values::Leaf).collect()
        } else {
            vec![Values::Plain(Arc::clone(field), Arc::clone(values))]
        };
        let each = size / parts.len().max(1);
        Ok(parts.into_iter().map(|values| Self { values, bytes: each, batch: Arc::clone(batch) }).collect())
    }

    /// Encode it; gives the bytes of its batch if it was the last piece of it, else 0.
    pub(crate) fn encode(self, writer: &mut ArrowColumnWriter) -> Result<usize> {
        match self.values {
            Values::Leaf(leaf) => writer.write(&leaf).map_err(unwritable)?,
            Values::Plain(field, values) => {
                for leaf in compute_leaves(&field, &values).map_err(unwritable)? {
                    writer.write(&leaf).map_err(unwritable)?;
                }
            }
        }
        Ok(Arc::into_inner(self.batch).unwrap_or_default())
    }
}

fn is_nested(field: &Field) -> bool {
    matches!(
        field.data_type(),
        DataType::Struct(_)
            | DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::Map(_, _)
    )
}

/// Where a column is: the number of its row group, and its place in it.
type At = (usize, usize);

/// Pieces of one column, to be encoded by one thread.
pub(crate) struct Task {
    pub(crate) at: At,
    pub(crate) writer: Box<ArrowColumnWriter>,
    pub(crate) pieces: Vec<Piece>,
    /// Nothing comes after them: the column is finished then.
    pub(crate) last: bool,
}

/// What became of a column.
pub(crate) enum Outcome {
    Open(Box<ArrowColumnWriter>),
    Finished(Box<ArrowColumnChunk>),
}

/// The row groups, oldest first. `first` is the number of the oldest, counted from the beginning.
#[derive(Default)]
pub(crate) struct Groups {
    first: usize,
    groups: VecDeque<Group>,
}

struct Group {
    ended: bool,
    columns: Vec<Column>,
}

#[derive(Default)]
struct Column {
    waiting: Vec<Piece>,
    bytes: usize,
    /// None while a thread has it.
    outcome: Option<Outcome>,
}

impl Groups {
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn begin(&mut self, writers: Vec<ArrowColumnWriter>) {
        let open = |writer| Column { outcome: Some(Outcome::Open(Box::new(writer))), ..Column::default() };
        self.groups.push_back(Group { ended: false, columns: writers.into_iter().map(open).collect() });
    }

    /// Add the pieces of a batch to the youngest row group.
    pub(crate) fn add(&mut self, pieces: impl Iterator<Item = Piece>) {
        let Some(group) = self.groups.back_mut() else { return };
        for (column, piece) in group.columns.iter_mut().zip(pieces) {
            column.bytes += piece.bytes;
            column.waiting.push(piece);
        }
    }

    /// End the youngest row group.
    pub(crate) fn end(&mut self) {
        if let Some(group) = self.groups.back_mut() {
            group.ended = true;
        }
    }

    /// Take what is to be encoded next: of the oldest row group that has something, the column with the most bytes.
    pub(crate) fn task(&mut self) -> Option<Task> {
        let first = self.first;
        self.groups.iter_mut().enumerate().find_map(|(at, group)| group.task(first + at))
    }

    pub(crate) fn hand_back(&mut self, (group, column): At, outcome: Outcome) {
        self.groups[group - self.first].columns[column].outcome = Some(outcome);
    }

    /// Take the oldest row group if all of it is encoded.
    pub(crate) fn finished(&mut self) -> Option<RowGroup> {
        if !self.groups.front()?.is_finished() {
            return None;
        }
        self.first += 1;
        self.groups.pop_front().map(Group::finished)
    }

    /// Say whether there may be a task later although there is none now.
    pub(crate) fn are_awaited(&self) -> bool {
        self.groups
            .iter()
            .any(|group| !group.ended || group.columns.iter().any(|c| c.is_open() || !c.waiting.is_empty()))
    }
}

impl Group {
    fn task(&mut self, number: usize) -> Option<Task> {
        let ended = self.ended;
        let ready = |column: &Column| column.is_open() && (ended || !column.waiting.is_empty());
        let columns = self.columns.iter_mut().enumerate();
        let (at, column) = columns.filter(|(_, column)| ready(column)).max_by_key(|(_, column)| column.bytes)?;
        let Some(Outcome::Open(writer)) = column.outcome.take() else { return None };
        column.bytes = 0;
        Some(Task { at: (number, at), writer, pieces: std::mem::take(&mut column.waiting), last: ended })
    }

    fn is_finished(&self) -> bool {
        self.columns.iter().all(|column| matches!(column.outcome, Some(Outcome::Finished(_))))
    }

    fn finished(self) -> RowGroup {
        let chunk = |column: Column| match column.outcome {
            Some(Outcome::Finished(chunk)) => Some(*chunk),
            _ => None,
        };
        self.columns.into_iter().filter_map(chunk).collect()
    }
}

impl Column {
    fn is_open(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Open(_)))
    }
}

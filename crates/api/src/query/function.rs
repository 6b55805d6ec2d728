//! What can be asked of series: the function of each, the aggregate over them, the step of the answer.

use std::str::FromStr;

use sentinel_model::{Field, MetricKind};
use sentinel_runtime::config::duration;

use crate::dto::metric::FunctionDto;

/// Computed of each series and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Value,
    Rate,
    Increase,
    Avg,
    Min,
    Max,
    P50,
    P90,
    P95,
    P99,
}

/// Computed over the series of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Aggregation {
    None,
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

/// Distance of an answer's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Auto,
    Millis(i64),
}

/// Windows are not finer than this.
pub const FINEST_STEP_MS: i64 = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    #[error("must be one of value, rate, increase, avg, min, max, p50, p90, p95, p99")]
    Function,
    #[error("must be one of none, sum, avg, min, max, count")]
    Aggregation,
    #[error("must be auto or a span of time of at least 10s, such as 30s or 5m")]
    Step,
}

/// What is computed of the chosen series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    One(Function),
    /// Of each what its kind asks for: a selector may choose several metrics.
    ByKind,
}

impl Chosen {
    pub const fn of(self, kind: MetricKind) -> Function {
        match self {
            Self::One(function) => function,
            Self::ByKind => Function::default_for(kind),
        }
    }

    /// Functions that may be needed, with no series of any kind left out.
    pub fn each(self) -> Vec<Function> {
        match self {
            Self::One(function) => vec![function],
            Self::ByKind => vec![Function::Rate, Function::Value],
        }
    }
}

const FUNCTIONS: [(&str, Function); 10] = [
    ("value", Function::Value),
    ("rate", Function::Rate),
    ("increase", Function::Increase),
    ("avg", Function::Avg),
    ("min", Function::Min),
    ("max", Function::Max),
    ("p50", Function::P50),
    ("p90", Function::P90),
    ("p95", Function::P95),
    ("p99", Function::P99),
];

impl Function {
    /// What one most likely wants to see of a metric.
    pub const fn default_for(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => Self::Rate,
            MetricKind::Gauge | MetricKind::Unknown => Self::Value,
        }
    }

    /// The field of stored windows that it is computed from.
    pub const fn field(self) -> Field {
        match self {
            Self::Value => Field::Last,
            Self::Rate | Self::Increase => Field::Increase,
            Self::Avg => Field::Avg,
            Self::Min => Field::Min,
            Self::Max => Field::Max,
            Self::P50 => Field::P50,
            Self::P90 => Field::P90,
            Self::P95 => Field::P95,
            Self::P99 => Field::P99,
        }
    }

    /// Several windows cannot be made into one: the step must be the width of the windows.
    pub const fn is_quantile(self) -> bool {
        matches!(self, Self::P50 | Self::P90 | Self::P95 | Self::P99)
    }

    pub const fn dto(self) -> FunctionDto {
        match self {
            Self::Value => FunctionDto::Value,
            Self::Rate => FunctionDto::Rate,
            Self::Increase => FunctionDto::Increase,
            Self::Avg => FunctionDto::Avg,
            Self::Min => FunctionDto::Min,
            Self::Max => FunctionDto::Max,
            Self::P50 => FunctionDto::P50,
            Self::P90 => FunctionDto::P90,
            Self::P95 => FunctionDto::P95,
            Self::P99 => FunctionDto::P99,
        }
    }
}

impl FromStr for Function {
    type Err = FunctionError;

    fn from_str(text: &str) -> Result<Self, FunctionError> {
        FUNCTIONS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, function)| *function)
            .ok_or(FunctionError::Function)
    }
}

impl FromStr for Aggregation {
    type Err = FunctionError;

    fn from_str(text: &str) -> Result<Self, FunctionError> {
        match text {
            "none" => Ok(Self::None),
            "sum" => Ok(Self::Sum),
            "avg" => Ok(Self::Avg),
            "min" => Ok(Self::Min),
            "max" => Ok(Self::Max),
            "count" => Ok(Self::Count),
            _ => Err(FunctionError::Aggregation),
        }
    }
}

impl FromStr for Step {
    type Err = FunctionError;

    /// Rounds up to whole windows.
    fn from_str(text: &str) -> Result<Self, FunctionError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let span = duration::parse(text).ok_or(FunctionError::Step)?;
        let millis = i64::try_from(span.as_millis()).map_err(|_| FunctionError::Step)?;
        if !(FINEST_STEP_MS..=i64::MAX / 2).contains(&millis) {
            return Err(FunctionError::Step);
        }
        Ok(Self::Millis((millis + FINEST_STEP_MS - 1) / FINEST_STEP_MS * FINEST_STEP_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_function_by_its_documented_name() {
        for (name, function) in FUNCTIONS {
            assert_eq!(name.parse::<Function>().expect("a function"), function);
            let documented = serde_json::to_value(function.dto()).expect("plain data");
            assert_eq!(documented, name);
        }
    }

    #[test]
    fn a_step_is_rounded_up_to_whole_windows_and_refused_below_one() {
        assert_eq!("15s".parse::<Step>().expect("a step"), Step::Millis(20_000));
        assert_eq!("auto".parse::<Step>().expect("a step"), Step::Auto);
        for text in ["0s", "1s", "9999ms", "", "10", "-10s"] {
            assert!(text.parse::<Step>().is_err(), "{text:?}");
        }
    }
}

// The nouns of the HTTP contract under the names this page uses; their shapes are generated into schema.ts.
import type * as schema from './schema';

export type {
  CanaryHop, Capacity, ChangeRow, Changes, ClusterRow, DeadLetterDetail, DeadLetterRow, EventRow, FacetRow, Histogram, HistogramRow, LatestRow, LogRow, MetricRow, NamespaceRow,
  NodeRow, ObjectRow, Overview, Pipeline, PodLogLine, PodLogs, PodRow, ProblemRow, RangeAnswer, ReplayAnswer,
  RetentionAnswer, RetentionRequest, RetentionSpan, SeriesStats, Stage, Status, TokenCreated, TokenRequest, TokenRole, TokenRow, TopicRow, TopRow,
  Usage, WorkloadRow,
} from './schema';
export type { ConditionDto as Condition, ContainerDto as Container, ContainerStateDto as ContainerState, LastTermination, OwnerDto as Owner } from './schema';
export type { PointDto as Point, QueriedSeries as RangeSeries, ResourceUsage as Amounts, Unit as UnitName } from './schema';

export interface Page<T> { items: T[]; next_page_token: string | null }
export type Problem = Partial<schema.Problem> & Pick<schema.Problem, 'title' | 'status'>;
export type LabelSet = Record<string, string>;
export type Manifest = Record<string, unknown>;
export type PodDetail = Omit<schema.PodDetailDto, 'manifest'> & { manifest: Manifest };
export type NodeDetail = Omit<schema.NodeDetailDto, 'manifest'> & { manifest: Manifest };
export type ObjectDetail = Omit<schema.ObjectDetailDto, 'manifest'> & { manifest: Manifest };
export type WorkloadDetail = Omit<schema.WorkloadDetailDto, 'manifest'> & { manifest: Manifest };

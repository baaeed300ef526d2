// A table where there is room for one; on a phone the same columns as one card a row, the first column as its heading.

import { Pagination, Table } from "antd";
import { useState, type ReactElement, type ReactNode } from "react";

import { useIsNarrow } from "./theme";

export interface Column<T> {
  key: string;
  title: string;
  width?: number;
  align?: "right";
  /** Long text: a line of its own on a card. */
  isWide?: boolean;
  sorter?: (a: T, b: T) => number;
  defaultSortOrder?: "ascend";
  render: (row: T) => ReactNode;
}

interface Props<T> {
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  /** Below this the table scrolls inside its frame. */
  minWidth: number;
}

const PAGE_SIZE = 50;

function Cards<T>({ columns, rows, keyOf }: Props<T>): ReactElement {
  const [page, setPage] = useState(1);
  const [head, ...facts] = columns;
  const at = Math.min(page, Math.max(1, Math.ceil(rows.length / PAGE_SIZE)));
  const sorter = columns.find((c) => c.defaultSortOrder !== undefined)?.sorter;
  const sorted = sorter === undefined ? rows : [...rows].sort(sorter);
  return (
    <>
      <ul className="cards">
        {sorted.slice((at - 1) * PAGE_SIZE, at * PAGE_SIZE).map((row) => (
          <li key={keyOf(row)} className="site-card is-row">
            {head?.render(row)}
            <dl className="facts">
              {facts.map((c) => ({ ...c, node: c.render(row) })).filter((c) => c.node !== "").map((c) => (
                <div key={c.key} className={c.isWide === true ? "is-wide" : undefined}>
                  <dt>{c.title}</dt>
                  <dd>{c.node}</dd>
                </div>
              ))}
            </dl>
          </li>
        ))}
      </ul>
      <Pagination align="center" simple hideOnSinglePage current={at} pageSize={PAGE_SIZE} total={rows.length} onChange={setPage} />
    </>
  );
}

export function DataTable<T extends object>(props: Props<T>): ReactElement {
  const isNarrow = useIsNarrow();
  if (isNarrow) {
    return <Cards {...props} />;
  }
  return (
    <Table<T>
      className="card-table"
      rowKey={props.keyOf}
      columns={props.columns.map(({ render, isWide: _isWide, ...c }) => ({ ...c, render: (_: unknown, row: T) => render(row) }))}
      dataSource={props.rows}
      scroll={{ x: props.minWidth }}
      pagination={{ pageSize: PAGE_SIZE, hideOnSinglePage: true, showSizeChanger: false }}
    />
  );
}

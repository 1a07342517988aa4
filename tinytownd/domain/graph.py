"""Cycles in a graph, without recursion: a chain of 10,000 tasks is an ordinary plan.

A graph maps each node to the nodes that it points at; every one of those is a node itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def find_cycles(graph: Mapping[Node, Sequence[Node]]) -> list[list[Node]]:
    """One cycle of each tangle: the shortest through its first node, which is not repeated.

    A tangle is a strongly connected component; linear in nodes and edges. Nodes that point at
    themselves are no cycle here.
    """
    place = {node: number for number, node in enumerate(graph)}
    tangles = [set(nodes) for nodes in components(graph) if len(nodes) > 1]
    cycles = [_shortest_cycle(graph, min(nodes, key=place.__getitem__), nodes) for nodes in tangles]
    return sorted(cycles, key=lambda cycle: place[cycle[0]])


def components(graph: Mapping[Node, Sequence[Node]]) -> Iterator[list[Node]]:
    """The strongly connected components, by Tarjan's algorithm (1972)."""
    number: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    for root in graph:
        path = [] if root in number else [(root, iter(graph[root]))]
        while path:
            node, rest = path[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                stack.append(node)
            for after in rest:
                if after not in number:
                    path.append((after, iter(graph[after])))
                    break
                low[node] = min(low[node], low.get(after, low[node]))
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == number[node]:
                    yield _unwind(stack, node, low)


def _unwind(stack: list[Node], node: Node, low: dict[Node, int]) -> list[Node]:
    """Take a finished component off the stack; without `low`, its nodes count for no other."""
    component: list[Node] = []
    while not component or component[-1] != node:
        component.append(stack.pop())
        del low[component[-1]]
    return component


def _shortest_cycle(
    graph: Mapping[Node, Sequence[Node]], first: Node, within: set[Node]
) -> list[Node]:
    """From `first` back to `first`, by breadth-first search among the nodes `within`."""
    came_from: dict[Node, Node] = {}
    front = [first]
    while first not in came_from:
        found = []
        for node in front:
            for after in graph[node]:
                if after in within and after != node and after not in came_from:
                    came_from[after] = node
                    found.append(after)
        front = found
    cycle = [came_from[first]]
    while cycle[-1] != first:
        cycle.append(came_from[cycle[-1]])
    return cycle[::-1]

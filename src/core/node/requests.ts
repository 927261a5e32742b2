/** What a room waits for from a sibling: by the sibling's number of the request, what it was for. */
export class Requests<T> {
  private readonly open = new Map<number, T>()
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  /** No more can be asked at the moment. */
  get isFull(): boolean {
    return this.open.size >= this.max
  }

  add(request: number, purpose: T): void {
    this.open.set(request, purpose)
  }

  /** Undefined for a request of somebody else. */
  take(request: number): T | undefined {
    const purpose = this.open.get(request)
    this.open.delete(request)
    return purpose
  }
}

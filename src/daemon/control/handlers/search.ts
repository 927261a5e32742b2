/** search: a query of the node's owner. Refuses what cannot be searched before a result of the last search is forgotten. */
import { utf8 } from '../../../base/bytes.ts'
import { ShoalError } from '../../../base/errors.ts'
import { KINDS, typeOf } from '../../../wire/control/kinds.ts'
import { queryWordsOf } from '../../../wire/gnutella/words.ts'
import type { SearchOptions } from '../../../core/search/contract.ts'
import type { Params } from '../../../wire/control/methods.ts'
import { QUERY_TEXT_BYTES_MAX, queryProblem, type SearchQuery } from '../../../wire/gnutella/search.ts'
import type { Handlers } from '../server.ts'
import { LiveSearch } from '../../search/live-search.ts'
import type { Services } from '../services.ts'

const LIMIT_DEFAULT = 100
const TIMEOUT_MS_DEFAULT = 5_000

export function searchHandlers(services: Services): Pick<Handlers, 'search'> {
  return {
    search: async (params, call) => {
      const [query, options] = [queryOf(params), optionsOf(params)]
      return new LiveSearch(services, { query, options, tellMs: params.tellMs }, call).run()
    }
  }
}

/** Throws ShoalError `usage` that says why. */
function queryOf({ text, type, minBytes, maxBytes }: Params<'search'>): SearchQuery {
  const bytes = utf8(text).length
  if (bytes > QUERY_TEXT_BYTES_MAX) {
    throw new ShoalError('usage', `a search has at most ${QUERY_TEXT_BYTES_MAX} bytes of text, and this has ${bytes}`, {
      hint: 'search for fewer words'
    })
  }
  if (queryWordsOf(text).length === 0) {
    throw new ShoalError('usage', `there is no word in ${JSON.stringify(text)}`, {
      hint: 'a word is letters or digits: shoal search holiday 2024'
    })
  }
  const filterType = type === undefined ? undefined : typeOf(type)
  if (type !== undefined && filterType === undefined) {
    throw new ShoalError('usage', `${JSON.stringify(type)} is no type of file`, {
      hint: `give ${KINDS.join(', ')}, or an extension: --type pdf`
    })
  }
  if (minBytes !== undefined && maxBytes !== undefined && minBytes > maxBytes) {
    throw new ShoalError('usage', `nothing has at least ${minBytes} and at most ${maxBytes} bytes`)
  }
  const query = { text, content: undefined, filter: { type: filterType, minBytes, maxBytes } }
  const problem = queryProblem(query)
  if (problem !== undefined) throw new ShoalError('usage', `this cannot be searched: ${problem}`)
  return query
}

function optionsOf(params: Params<'search'>): SearchOptions {
  const { limit = LIMIT_DEFAULT, timeoutMs = TIMEOUT_MS_DEFAULT, trace = false } = params
  return { limit, timeoutMs, trace }
}
